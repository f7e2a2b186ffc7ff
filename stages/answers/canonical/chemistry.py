"""Chemical formulas: one spelling of CO2, CO₂ and CO_2, of Na+ and Na^{+}, of SO4^2- and SO_4^{2-}."""

import re

_ELEMENT = (
    "(?:"
    "Ac|Ag|Al|Ar|As|Au|Ba|Be|Bi|Br|Ca|Cd|Ce|Cl|Co|Cr|Cs|Cu|Dy|Er|Eu|Fe|Ga|Gd|Ge|He|Hg|In|Ir|Kr|La|Li|Mg|Mn|Mo|"
    "Na|Nb|Nd|Ne|Ni|Np|Os|Pa|Pb|Pd|Po|Pt|Pu|Ra|Rb|Re|Rh|Rn|Ru|Sb|Sc|Se|Si|Sm|Sn|Sr|Tc|Te|Th|Ti|Tl|Xe|Zn|Zr|B|C|"
    "F|H|I|K|N|O|P|S|U|V|W|Y"
    ")"
)
_COUNT = r"(?:_\d|_\{\d{2}\}|\d{1,2})?"
_CHARGE = r"(?:\^\{?\d?[+-]\}?|[+-])?"
_FORMULA = re.compile(
    rf"(?=.*[\d+-])((?:(?:{_ELEMENT}{_COUNT}){{1,9}}(?:\((?:{_ELEMENT}{_COUNT}){{1,4}}\){_COUNT})?){{1,2}})({_CHARGE})"
)
_ONE_ELEMENT = re.compile(r"(?!(?:[HNOFI]|Cl|Br)_?2\Z)[A-Z][a-z]?[_\d{}]*")
_NUMBER = re.compile(r"_?\{?(\d+)\}?")
_NO_PRODUCT = re.compile(r"[a-z]|\^")


def formula_form(text: str) -> str | None:
    """Return the form of a chemical formula, `Ca(OH)_2` or `SO_4^{2-}`; None for other texts.

    A single letter with a number (B12, V_1) or a sign (C+) is no formula, except O2 and the like.
    """
    match = _FORMULA.fullmatch(text) if len(text) <= 40 else None
    if match is None or (not match[2] and _ONE_ELEMENT.fullmatch(match[1])):
        return None
    atoms, charge = match[1], match[2].strip("^{}")
    if charge and "^" not in match[2] and (atoms[-1].isdigit() or (len(atoms) == 1 and atoms not in "HKF")):
        return None  # Ca2+ and C+
    atoms = _NUMBER.sub(lambda number: f"_{number[1]}" if len(number[1]) == 1 else f"_{{{number[1]}}}", atoms)
    return atoms + (f"^{{{charge}}}" if len(charge) > 1 else f"^{charge}" if charge else "")


def is_formula(form: str) -> bool:
    """Return whether a form is a chemical formula and no product of variables: `Fe_2O_3`, but not `P_1V_1`."""
    return formula_form(form) == form and _NO_PRODUCT.search(form) is not None
