"""Chemical formulas: one spelling of CO2, CO₂ and CO_2, of Na+ and Na^{+}, of SO4^2- and SO_4^{2-}."""

import re

_ELEMENT = (
    "(?:"
    "Ac|Ag|Al|Ar|As|Au|Ba|Be|Bi|Br|Ca|Cd|Ce|Cl|Co|Cr|Cs|Cu|Dy|Er|Eu|Fe|Ga|Gd|Ge|He|Hg|In|Ir|Kr|La|Li|Mg|Mn|Mo|"
    "Na|Nb|Nd|Ne|Ni|Np|Os|Pa|Pb|Pd|Po|Pt|Pu|Ra|Rb|Re|Rh|Rn|Ru|Sb|Sc|Se|Si|Sm|Sn|Sr|Tc|Te|Th|Ti|Tl|Xe|Zn|Zr|B|C|"
    "F|H|I|K|N|O|P|S|U|V|W|Y"
    ")"
)
_METALS = frozenset((
    "Ag", "Al", "Au", "Ba", "Be", "Bi", "Ca", "Cd", "Ce", "Co", "Cr", "Cs", "Cu", "Fe", "Ga", "Hg", "K", "La", "Li",
    "Mg", "Mn", "Na", "Ni", "Pb", "Pd", "Pt", "Ra", "Rb", "Sc", "Sn", "Sr", "Ti", "Tl", "V", "Y", "Zn", "Zr",
))  # fmt: skip
_COUNT = r"(?:_\d|_\{\d{2}\}|\d{1,2})?"
_BODY = rf"(?:{_ELEMENT}{_COUNT}|[(\[]|[)\]]{_COUNT}){{1,24}}"
_MOLECULE = re.compile(rf"(\d{{1,2}})?({_BODY})(\^\{{?\d?[+-]\}}?|[+-])?")
_STATE = re.compile(r"\((?:s|l|g|aq)\)|\\(?:up|down)arrow")
_LAST_COUNT = re.compile(r"(?<![\d_])\d{1,2}\Z")
_ONE_ELEMENT = re.compile(r"(?!(?:[HNOFI]|Cl|Br)_?2\Z)[A-Z][a-z]?[_\d{}]*")
_NUMBER = re.compile(r"_?\{?(\d+)\}?")
_NO_PRODUCT = re.compile(r"[a-z]|\^")
_ISOTOPE = re.compile(rf"\^\{{?(\d{{1,3}})\}}?(?:_\{{?\d{{1,3}}\}}?)?({_ELEMENT})")  # ^{14}_6C
_SHELL = re.compile(r"([1-7](?:s(?=\^?\{?[12])|p(?=\^?\{?[1-6])|[df]))\^?\{?(1[0-4](?!\d?[spdf])|\d)\}? ?")
_SHELLS = re.compile(rf"(\[(?:He|Ne|Ar|Kr|Xe|Rn)\])? ?((?:{_SHELL.pattern}){{1,12}})")  # [Ar]3d^54s^1
_HYBRID = re.compile(r"sp\^?([23])(?:(d)\^?(2?))?")  # sp3, sp3d2
_ARROW = re.compile(r"\\(?:to|rightleftharpoons|leftrightarrow)(?![a-zA-Z])|<?->")
_PLUS = re.compile(r"\+(?=[\dA-Ze\[])")
_ELECTRONS = re.compile(r"(\d?)e\^?\{?-\}?")
_LARGEST = 300


def formula_form(text: str) -> str | None:
    """Return the form of a chemical formula, `Ca(OH)_2` or `SO_4^{2-}`; None for other texts.

    A single letter with a number (B12, V_1) or a sign (C+) is no formula, except O2 and the like. The number before the
    sign of a metal is its charge (Ca2+), that after several atoms is a count (NH4+); O2- may be either.
    """
    if len(text) > 60:
        return None
    if match := _ISOTOPE.fullmatch(text):
        return f"^{{{match[1]}}}{match[2]}"
    if match := _HYBRID.fullmatch(text):
        return f"sp^{match[1]}" + (match[2] or "") + ("^2" if match[3] else "")
    anhydrous, dot, water = text.partition("\\cdot")
    if dot:  # CuSO4·5H2O
        forms = _molecule(anhydrous, is_alone=False), _molecule(water, is_alone=False)
        return f"{forms[0]}\\cdot {forms[1]}" if forms[0] and forms[1] and forms[1].endswith("H_2O") else None
    return _molecule(text, is_alone=True)


def _molecule(text: str, *, is_alone: bool) -> str | None:
    if not is_alone and (electrons := _ELECTRONS.fullmatch(text)):
        return f"{electrons[1]}e^-"
    match = _MOLECULE.fullmatch(text.strip())
    if match is None or text.count("(") != text.count(")") or text.count("[") != text.count("]"):
        return None
    coefficient, atoms, charge = match[1] or "", match[2], (match[3] or "").strip("^{}")
    is_plain = not charge and not any(character.isdigit() for character in atoms)
    if (is_alone and (coefficient or is_plain)) or (is_alone and not charge and _ONE_ELEMENT.fullmatch(atoms)):
        return None
    if charge and "^" not in match[3] and (digits := _LAST_COUNT.search(atoms)):
        before = atoms[: digits.start()]
        if (before in _METALS or before.endswith("]")) and len(digits[0]) == 1:
            atoms, charge = before, digits[0] + charge  # Ca2+
        elif re.fullmatch(_ELEMENT, before):
            return None  # O2-
        elif len(digits[0]) == 2:
            atoms, charge = before + digits[0][0], digits[0][1] + charge  # SO42-
    elif charge and "^" not in match[3] and len(atoms) == 1 and atoms not in "HKF":
        return None  # C+
    charge = "" if not charge else f"^{{{charge}}}" if len(charge) > 1 else f"^{charge}"
    atoms = _NUMBER.sub(lambda number: f"_{number[1]}" if len(number[1]) == 1 else f"_{{{number[1]}}}", atoms)
    return coefficient + atoms + charge


def reaction_form(text: str) -> str | None:
    """Return the form of a chemical equation, `2H_2+O_2\\to 2H_2O`, or of shells of electrons; None for other texts."""
    if len(text) > _LARGEST:
        return None
    if match := _SHELLS.fullmatch(text):
        shells = [
            f"{shell}^{count}" if len(count) == 1 else f"{shell}^{{{count}}}"
            for shell, count in _SHELL.findall(match[2])
        ]
        return (match[1] or "") + " ".join(shells) if match[1] or len(shells) > 1 else None
    sides = _ARROW.split(_STATE.sub("", text))
    if len(sides) != 2:
        return None
    forms = [[_molecule(molecule, is_alone=False) for molecule in _PLUS.split(side)] for side in sides]
    if not all(map(all, forms)) or not re.search(
        r"[a-z_]", "".join(molecule or "" for form in forms for molecule in form)
    ):
        return None  # B -> C is a map
    return "\\to ".join("+".join(molecule for molecule in form if molecule) for form in forms)


def is_formula(form: str) -> bool:
    """Return whether a form is chemistry and no product of variables: `Fe_2O_3`, but not `P_1V_1`."""
    if reaction_form(form) == form:
        return True
    return formula_form(form) == form and _NO_PRODUCT.search(form) is not None
