"""Situations to be simulated: samplers by cause, and what a plan of one says."""

from carescene.simulation.situations.catalogue import FAMILIES, Family, Ticket, tickets
from carescene.simulation.situations.people import Person, Reaction, draw_person, draw_reaction
from carescene.simulation.situations.plan import Drift, Furniture, Imitation, Plan
from carescene.simulation.situations.references import Recording, Reference, ReferenceLibrary, load_references

__all__ = [
    "FAMILIES",
    "Drift",
    "Family",
    "Furniture",
    "Imitation",
    "Person",
    "Plan",
    "Reaction",
    "Recording",
    "Reference",
    "ReferenceLibrary",
    "Ticket",
    "draw_person",
    "draw_reaction",
    "load_references",
    "tickets",
]
