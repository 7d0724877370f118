import torch

from reconstruction.lifter_flow import ConditionalFlow


def _flow(size=6, context=4, layers=3, seed=0):
    torch.manual_seed(seed)
    flow = ConditionalFlow(size, context, layers, 8)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return flow.double()


def test_sampling_undoes_the_density_map_and_the_density_has_its_volume():
    flow = _flow()
    noise, context = torch.randn(5, 6).double(), torch.randn(5, 4).double()
    sample = flow.sample(noise, context)
    for row in range(5):
        one = context[row : row + 1]
        slope = torch.autograd.functional.jacobian(lambda z, one=one: flow.sample(z[None], one)[0], noise[row])
        assert isinstance(slope, torch.Tensor)
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise[row]).sum()
        assert torch.allclose(flow.log_prob(sample[row : row + 1], one)[0], normal - torch.linalg.slogdet(slope)[1])


def test_the_density_sums_to_one():
    flow = _flow(size=2, layers=2, seed=1)
    with torch.no_grad():
        flow.scale.bias.zero_()
    side = torch.linspace(-12, 12, 401).double()
    grid = torch.cartesian_prod(side, side)
    context = torch.randn(1, 4).double().expand(len(grid), 4)
    with torch.no_grad():
        mass = flow.log_prob(grid, context).exp().sum() * float(side[1] - side[0]) ** 2
    assert abs(float(mass) - 1) < 0.01


def test_starts_as_a_normal_distribution_of_a_fifth_of_a_radian():
    flow = ConditionalFlow(72, 16, 6, 32)
    sample, context = 0.2 * torch.randn(7, 72), torch.randn(7, 16)
    expected = torch.distributions.Normal(0.0, 0.2).log_prob(sample).sum(-1)
    assert torch.allclose(flow.log_prob(sample, context), expected, atol=1e-3)


def test_learns_what_depends_on_the_context():
    torch.manual_seed(0)
    flow = ConditionalFlow(2, 1, 2, 16)
    optimiser = torch.optim.Adam(flow.parameters(), 3e-2)
    for _ in range(120):
        context = torch.rand(128, 1)
        data = (0.1 + context) * torch.randn(128, 2) + context
        loss = -flow.log_prob(data, context).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        for value in (0.1, 0.9):
            drawn = flow.sample(torch.randn(4000, 2), torch.full((4000, 1), value))
            assert abs(float(drawn.std()) - (0.1 + value)) < 0.2 * (0.1 + value)
            assert abs(float(drawn.mean()) - value) < 0.1
