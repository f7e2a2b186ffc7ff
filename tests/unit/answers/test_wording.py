"""One form of words: which answers are the same, and which are not. The tables are meant to be read by subject."""

import re

import pytest

from stages.answers.text import TextAnswer
from stages.answers.wording.form import normalised_text
from stages.answers.wording.glosses import GLOSSES, says_the_same
from stages.answers.wording.signs import AFTER_UNICODE, BEFORE_UNICODE, Rules
from stages.answers.wording.spellings import RULES

SPELLINGS = [
    ("Habeas corpus", "habeas  CORPUS."),
    ("Habeas corpus", r"\text{Habeas corpus}"),
    ("Habeas corpus", '"habeas corpus"'),
    ("Habeas corpus", r"\textbf{habeas corpus}"),
    ("Habeas corpus", "**Habeas corpus**"),
    ("Habeas corpus", "*habeas corpus*"),
    ("Habeas corpus", "_habeas corpus_"),
    ("Habeas corpus", "`habeas corpus`"),
    ("Habeas corpus", "(habeas corpus)"),
    ("Habeas corpus", "“Habeas corpus”."),
    ("Habeas corpus", "«Habeas corpus»"),
    ("Habeas corpus", "- Habeas corpus"),
    ("Habeas corpus", "Habeas corpus!"),
    ("Habeas corpus", "$\\text{Habeas corpus}$"),
    ("O'Brien", "O’Brien"),
    ("O'Brien", "O‘Brien"),
    ("O'Brien", "O`Brien"),
    ("L'Hôpital", "L’Hôpital"),
    ("rock 'n' roll", "rock ’n’ roll"),
    ("U.S.A.", "USA"),
    ("U.S.A.", "U.S.A"),
    ("U.S. Congress", "US Congress"),
    ("U.K.", "UK"),
    ("Washington, D.C.", "Washington, DC"),
    ("Ph.D.", "PhD"),
    ("10 a.m.", "10 am"),
    ("J. S. Bach", "J.S. Bach"),
    ("J. S. Bach", "JS Bach"),
    ("Mr. Smith", "Mr Smith"),
    ("St. Paul", "St Paul"),
    ("E. coli", "E coli"),
    ("X-ray", "X‑ray"),
    ("1939–1945", "1939-1945"),
    ("-5", "−5"),
    ("-5", "–5"),
    ("5%", "5 %"),
    ("5%", r"5\%"),
    ("5%", "5 percent"),
    ("5 mg", "5mg"),
    ("5 mg", r"5\text{ mg}"),
    ("5 mg", r"5\,\mathrm{mg}"),
    ("$5", r"\$5"),
    ("$5", r"$\$5$"),
    ("<5", "< 5"),
    ("<5", r"\lt 5"),
    ("<=5", "≤5"),
    (r"\le 5", "≤ 5"),
    ("±5", r"\pm 5"),
    ("37 °C", "37℃"),
    ("37 °C", r"37^\circ C"),
    ("H2O", "H₂O"),
    ("H2O", r"\mathrm{H_2O}"),
    ("Na+", "Na⁺"),
    ("Na+", r"\text{Na}^+"),
    ("Na+", r"\mathrm{Na^{+}}"),
    ("Ca2+", "Ca²⁺"),
    ("Ca2+", r"\mathrm{Ca}^{2+}"),
    ("10^2", "10²"),
    ("10^-3", "10⁻³"),
    ("3 1/2", "3½"),
    (r"\frac{1}{2}", "1/2"),
    ("Straße", "STRASSE"),
    ("ﬁling", "filing"),
    ("ὈΔΎΣΣΕΥΣ", "ὀδύσσευς"),
    ("北京。", "北京"),
    ("「北京」", "北京"),
    ("Ｐａｒｉｓ", "Paris"),
    ("बेटी।", "बेटी"),
    ("¿Madrid?", "Madrid"),
    ("باريس؟", "باريس"),
    ("Pa\u200bris", "Paris"),
    ("co\u00adoperate", "cooperate"),
    ("café", "cafe\u0301"),
    ("p < 0.05", "p<0.05"),
    ("x = 5", "x=5"),
    ("§ 242", "§242"),
    ("40° N", "40°N"),
    ("O´Brien", "O'Brien"),
]


@pytest.mark.parametrize(("left", "right"), SPELLINGS)
def test_spellings_of_one_answer(left: str, right: str) -> None:
    assert normalised_text(left) == normalised_text(right) != ""


MEANINGS = [
    ("Rh+", "Rh-"),
    ("Rh+", "Rh"),
    ("Rh−", "Rh"),
    ("Rh⁺", "Rh⁻"),
    ("A+", "A"),
    ("A+", "A-"),
    ("A–", "A"),
    ("A*", "A"),
    ("C++", "C"),
    ("C++", "C#"),
    ("C#", "C"),
    ("F#", "F"),
    ("<5", ">5"),
    ("<5", "5"),
    ("<5", "≤5"),
    (r"\le 5", r"\ge 5"),
    ("5%", "5"),
    ("5%", "5‰"),
    (r"5\%", "5"),
    ("€5", "$5"),
    ("€5", "5"),
    ("£5", "¥5"),
    ("5€", "5$"),
    ("5°", "5"),
    ("-5", "5"),
    ("±5", "5"),
    ("~5", "5"),
    (".5", "5"),
    ("5!", "5"),
    ("n!", "n"),
    ("5'", "5"),
    ('5"', "5'"),
    ("A'", "A"),
    ("f(x)", "f"),
    ("|x|", "x"),
    ("(0, 1)", "[0, 1]"),
    (r"\{1, 2\}", "(1, 2)"),
    ("x²", "x2"),
    ("10²", "102"),
    ("3½", "31/2"),
    (r"3\frac12", "31/2"),
    (r"\frac{ab}{c}", r"\frac{a}{bc}"),
    ("x^{2}y", "x^{2y}"),
    ("Na+", "Na"),
    ("Na+", "Na-"),
    ("Ca2+", "Ca+"),
    ("Fe2+", "Fe3+"),
    ("बेटा", "बेटी"),
    ("बेटा", "बेट"),
    ("किताब", "किताबें"),
    ("நண்பன்", "நண்ப"),
    ("กา", "กำ"),
    ("ป่า", "ป้า"),
    ("שָׁם", "שֵׁם"),
    ("5 MW", "5 mW"),
    ("5 Mg", "5 mg"),
    ("+", "-"),
    ("=", "<"),
    ("=", "=="),
    ("#1", "1"),
    ("-ase", "ase"),
    ("habeas corpus", "corpus"),
    ("é", "e"),
    ("USA", "US"),
    ("~A", "A"),
    ("p<0.05", "p>0.05"),
    ("p<0.05", "p=0.05"),
    ("40°N", "40°S"),
    ("5q-", "5q"),
    ("ER+/HER2-", "ER+/HER2+"),
    ("(+)", "(-)"),
]


@pytest.mark.parametrize(("left", "right"), MEANINGS)
def test_marks_that_carry_the_meaning(left: str, right: str) -> None:
    assert normalised_text(left) != normalised_text(right)
    assert normalised_text(left) and normalised_text(right)


GROUPS = [*BEFORE_UNICODE, *AFTER_UNICODE, *RULES]
ALL_RULES = [rule for _, rules in GROUPS for rule in rules]


@pytest.mark.parametrize(("_pattern", "_replacement", "text", "form"), ALL_RULES)
def test_each_rule_does_what_its_example_says(_pattern: str, _replacement: str, text: str, form: str) -> None:
    assert normalised_text(text) == form


@pytest.mark.parametrize(("clue", "rules"), GROUPS)
def test_a_text_without_the_clue_of_a_group_is_changed_by_none_of_its_rules(clue: str, rules: Rules) -> None:
    texts = [text for pair in (*SPELLINGS, *MEANINGS) for text in pair] + [text for _, _, text, _ in ALL_RULES]
    for text in (*texts, *map(str.casefold, texts), *map(normalised_text, texts)):
        if re.search(clue, text) is None:
            for pattern, replacement, *_ in rules:
                assert re.sub(pattern, replacement, text) == text


@pytest.mark.parametrize("text", [" .,", "?!", "", "**", '""', "()", "...", "—", "\u200b"])
def test_punctuation_alone_is_no_answer(text: str) -> None:
    assert normalised_text(text) == ""
    assert TextAnswer().canonical(text, "?") is None


@pytest.mark.parametrize("text", [left for pair in [*SPELLINGS, *MEANINGS] for left in pair])
def test_a_form_is_its_own_form(text: str) -> None:
    form = normalised_text(text)
    assert normalised_text(form) == form


SAME: dict[str, list[tuple[str, str]]] = {
    "several of these at once": [
        ("la Révolution française (1789)", "Révolution française"), ("Stage-III", "Stage 3"),
        (r"\text{Rome} \text{ (Italy)}", "Rome"), ("Beethoven's 5th Symphony", "Beethoven's Fifth Symphony"),
        ("Article III, Section 2", "Article III, § 2"), ("γ-aminobutyric acid (GABA)", "gamma-aminobutyric acid"),
        ("The Second Law of Thermodynamics", "2nd law of thermodynamics"), ("2024年5月1日", "May 1, 2024"),
    ],
    "degrees": [
        ("Ph. D.", "PhD"), ("Ph.D.", "Ph. D."), ("B.Sc.", "BSc"), ("B. Sc.", "BSc"), ("M.D.", "MD"), ("M. D.", "MD"),
        ("LL.B.", "LLB"), ("LL. M.", "LLM"), ("J.D.", "JD"),
    ],
    "articles": [
        ("the heart", "heart"), ("The Treaty of Versailles", "Treaty of Versailles"), ("an apple", "apple"),
        ("a beta blocker", "beta blocker"), ("A beta blocker", "beta blocker"), ("The heart", "the Heart."),
    ],
    "articles of other languages": [
        ("der Hund", "Hund"), ("die Leber", "Leber"), ("le foie", "foie"), ("l'hypophyse", "hypophyse"),
        ("el corazón", "corazón"), ("il cuore", "cuore"), ("Los Angeles", "Angeles"),
    ],
    "hyphens": [
        ("beta blocker", "beta-blocker"), ("β-blocker", "beta-blocker"), ("β blocker", "beta blocker"),
        ("X-ray", "X ray"), ("T-cell", "T cell"), ("self-incrimination", "self incrimination"),
        ("COVID-19", "COVID 19"), ("5-fluorouracil", "5 fluorouracil"), ("Rh-negative", "Rh negative"),
        ("non-Hodgkin lymphoma", "non Hodgkin lymphoma"),
    ],
    "Greek letters": [
        ("TNF-α", "TNF-alpha"), ("TNF alpha", "TNF-α"), ("α-helix", "alpha helix"),
        (r"$\alpha$-helix", "alpha-helix"), (r"\beta", "β"), ("β2 agonist", "beta2 agonist"),
        ("β-2 agonist", "beta-2 agonist"), ("interferon γ", "interferon gamma"),
        ("μ opioid receptor", "mu opioid receptor"), ("5 μg", "5 mcg"), ("5 µg", "5 μg"), ("5 ug", "5 μg"),
        ("5 Ω", "5 ohm"),
    ],
    "Roman numerals": [
        ("Type II", "Type 2"), ("type II diabetes", "Type 2 diabetes"), ("Type 1", "Type I"),
        ("factor VIII", "factor 8"), ("factor V", "factor 5"), ("stage IV", "stage 4"), ("grade III", "Grade 3"),
        ("World War II", "World War 2"), ("cranial nerve VII", "cranial nerve 7"), ("Article I", "Article 1"),
        ("type IIa", "type 2a"), ("Phase Ⅲ", "phase 3"),
    ],
    "ligatures and accents": [
        ("Curriculum vitæ", "curriculum vitae"), ("cœur", "coeur"), ("Œdipus", "Oedipus"),
        ("İstanbul", "Istanbul"),
    ],
    "numbers in words": [
        ("three", "3"), ("Seven", "7"), ("twenty-one", "21"), ("twenty one", "21"), ("three days", "3 days"),
        ("five percent", "5%"), ("fifty percent", "50%"), ("one", "1"), ("one hundred", "100"), ("zero", "0"),
        ("twelve hours", "12 hours"),
    ],
    "ordinals": [
        ("19th century", "nineteenth century"), ("1st", "first"), ("the first", "first"),
        ("the 5th Amendment", "Fifth Amendment"), ("1^{st}", "first"), ("2nd", "second"), ("5 seconds", "5 s"),
        ("Fourteenth Amendment", "14th Amendment"),
    ],
    "figures": [
        ("1,000 mg", "1000 mg"), ("5,105", "5105"), ("1,234,567", "1234567"),
    ],
    "units and money": [
        ("5 mg", "5 milligrams"), ("5 hours", "5 h"), ("5 years", "5 yr"), ("5 km", "5 kilometers"),
        ("5 km", "5 kilometres"), ("98.6 °F", "98.6°F"), ("98.6 degrees Fahrenheit", "98.6°F"),
        ("37 degrees Celsius", "37 °C"), ("3D", "3d"), ("5 mmHg", "5 mm Hg"), ("120/80 mmHg", "120/80 mm Hg"),
        ("aspirin 81 mg", "aspirin 81mg"), ("5 mL", "5ml"), ("5 cc", "5 mL"), ("10 lbs", "10 lb"), ("1 hour", "1 hr"),
        ("2 weeks", "2 wks"), ("5 dollars", "$5"), ("5 euros", "€5"), ("€5", "5 €"), ("$5", "USD 5"),
        ("5 USD", "$5"), ("$1,000", "$1000"),
    ],
    "dates": [
        ("July 4, 1776", "4 July 1776"), ("July 4th, 1776", "July 4, 1776"), ("1776-07-04", "July 4, 1776"),
        ("the 1990s", "1990s"), ("1990's", "1990s"), ("44 BC", "44 BCE"), ("AD 70", "70 AD"), ("500 B.C.", "500 BC"),
    ],
    "genes, signs and chemistry": [
        ("HLA-B27", "HLA B27"), ("CD4⁺", "CD4+"), ("CD4+ T-cells", "CD4+ T cells"), ("Na+", "Na⁺"),
        ("Na+/K+-ATPase", "Na⁺/K⁺-ATPase"), ("Na+/K+ ATPase", "Na+/K+-ATPase"), ("BCR-ABL", "BCR ABL"),
        ("p53", "P53"), ("t(9;22)", "t(9; 22)"), ("IL-6", "IL 6"), ("HbA1c", "HbA1C"), ("47,XXY", "47, XXY"),
        ("C♯", "C#"), ("A → B", "A -> B"), ("iron(II)", "iron (II)"), ("2-methylpropane", "2-Methylpropane"),
        ("CO2", "CO₂"), ("H2SO4", r"\mathrm{H_2SO_4}"), ("H2SO4", r"\ce{H2SO4}"), ("SO4^2-", "SO₄²⁻"),
        (r"\ce{SO4^2-}", "SO₄²⁻"), ("¹⁴C", "^{14}C"),
    ],
    "scripts": [
        ("दिल्ली", "दिल्ली।"), ("५", "5"), ("٤٢", "42"), ("محـمد", "محمد"), ("علی", "علي"), ("《红楼梦》", "红楼梦"),
        ("「東京」", "東京"), ("ﾄｳｷｮｳ", "トウキョウ"), ("列奥纳多·达·芬奇", "列奥纳多・达・芬奇"),
        ("서울", "서울."), ("Москва", "москва"), ("中国、日本", "中国，日本"),
    ],
    "citations of laws": [
        ("§ 823 Abs. 1 BGB", "§823 Abs 1 BGB"), ("§ 823 Absatz 1 BGB", "§ 823 Abs. 1 BGB"),
        ("Art. 5 (1) GG", "Art 5(1) GG"), ("Art. 5 (1) GG", "Art. 5 Abs. 1 GG"), ("Article 5", "Art. 5"),
        ("Artikel 5 GG", "Art. 5 GG"), ("28 U.S.C. § 1331", "28 USC §1331"),
        ("42 U.S.C. § 1983", "42 U. S. C. § 1983"), ("§ 1983", "Section 1983"), ("Section 230", "§230"),
        ("Marbury v. Madison", "Marbury v Madison"), ("Marbury vs. Madison", "Marbury v. Madison"),
        ("Fed. R. Civ. P. 12(b)(6)", "Fed R Civ P 12(b)(6)"), ("UCC § 2-207", "U.C.C. § 2-207"),
        ("§§ 280, 281 BGB", "§§280, 281 BGB"), ("347 U.S. 483", "347 US 483"),
    ],
    "codes of the ICD": [
        ("E11.9", "e11.9"), ("I10", "I10."),
    ],
    "several answers": [
        ("Rome and Milan", "Rome & Milan"), ("Rome, Milan, and Turin", "Rome, Milan and Turin"),
    ],
    "explanations": [
        ("Rome (the capital)", "Rome"), ("Rome (Italy)", "Rome"), ("deep vein thrombosis (DVT)", "DVT"),
        ("DVT (deep vein thrombosis)", "deep vein thrombosis"), ("sodium (Na)", "sodium"),
        ("not guilty (NG)", "not guilty"), ("Vitamin C (ascorbic acid)", "vitamin C"), ("iron (Fe)", "iron"),
        ("Rome, the capital of Italy", "Rome"), ("Rome, which is the capital", "Rome"),
    ],
    "quotes and abbreviations": [
        ('"To be or not to be"', "To be or not to be"), ("‘Hamlet’", "Hamlet"), ("*Hamlet*", "Hamlet"),
        ("Hamlet.", "Hamlet"), ("<b>Hamlet</b>", "Hamlet"), ("Hamlet ", "Hamlet"), ("New‑York", "New-York"),
        ("John F. Kennedy", "John F Kennedy"), ("J.F.K.", "JFK"), ("Dr. Watson", "Dr Watson"), ("U.N.", "UN"),
        ("e.g.", "eg"), ("Yes.", "yes"), ("True", "TRUE"), ("rock & roll", "rock and roll"), ("et al.", "et al"),
    ],
    "numbers with signs": [
        (".5 mg", "0.5 mg"), ("1/2", "½"), ("one half", "1/2"), ("half", "1/2"), ("5$", "$5"), ("5 %", "5%"),
        ("100 °C", "100°C"), ("-5", "−5"), ("~5", "≈5"), ("10:30 a.m.", "10:30 AM"), ("2:1", "2 : 1"),
        ("3–5", "3-5"),
    ],
    "medicine": [
        ("Acute Myocardial Infarction", "acute myocardial infarction"), ("myocardial infarction (MI)", "MI"),
        ("MI (myocardial infarction)", "Myocardial infarction"), ("Crohn's disease", "Crohn’s Disease"),
        ("Guillain-Barré syndrome", "Guillain–Barré syndrome"),
        ("Guillain Barré syndrome", "Guillain-Barré syndrome"), ("Vitamin B₁₂", "vitamin B12"),
        ("Factor V Leiden", "factor 5 Leiden"), ("C. difficile", "C difficile"),
        ("Type 1 hypersensitivity", "Type I hypersensitivity"), ("HbA1c > 6.5%", "HbA1c >6.5%"), ("K⁺", "K+"),
        ("HCO₃⁻", "HCO3-"), ("Ca²⁺ channel blocker", "Ca2+ channel blocker"),
        ("β₁-adrenergic receptor", "β1-adrenergic receptor"), ("α-1 antitrypsin", "alpha-1 antitrypsin"),
        ("α1-antitrypsin deficiency", "alpha1-antitrypsin deficiency"), ("anti-dsDNA", "anti dsDNA"),
        ("0.9% saline", "0.9 % saline"), ("5% dextrose", "5 percent dextrose"), ("10 mg/kg", "10mg/kg"),
        ("pO2 60 mmHg", "pO₂ 60 mm Hg"), ("CN III", "CN 3"), ("cranial nerve III", "Cranial nerve 3"),
        ("the left ventricle", "left ventricle"), ("46, XX", "46,XX"), ("HPV 16", "HPV-16"),
        ("ST-segment elevation", "ST segment elevation"),
        ("non-small cell lung cancer", "non small cell lung cancer"), ("5 µg", "5 μg"), ("5 µg/mL", "5 μg/ml"),
        ("120 mmHg", "120 mm Hg"),
    ],
    "law": [
        ("Miranda v. Arizona", "Miranda v Arizona"), ("First Amendment", "1st Amendment"),
        ("Amendment XIV", "Amendment 14"), ("res ipsa loquitur", "Res Ipsa Loquitur"),
        ("Art. II, § 2", "Article II, § 2"), ("Article I, Section 8", "Art. I, § 8"),
        ("Rule 404(b)", "Rule 404 (b)"), ("18 U.S.C. § 924(c)", "18 USC § 924(c)"),
        ("art. 1240 du Code civil", "article 1240 du Code civil"), ("Title IX", "Title 9"),
        ("No. 24-1260", "No 24-1260"), ("U.C.C. Article 2", "UCC Art. 2"), ("31 December 2020", "December 31, 2020"),
        ("12/31/2020", "31/12/2020"),
    ],
    "physics, chemistry and biology": [
        ("Na₂CO₃", "Na2CO3"), ("CH₃COOH", "CH3COOH"), ("2,2-dimethylbutane", "2,2-Dimethylbutane"),
        ("sp^3", "sp³"), ("Fe3+", "Fe³⁺"), ("Fe(III)", "Fe (III)"), ("H₃O⁺", "H3O+"), ("OH⁻", "OH-"),
        ("1s² 2s² 2p⁶", "1s^2 2s^2 2p^6"), ("9.8 m/s²", "9.8 m/s^2"), ("9.8 m/s^2", "9.8m/s^2"),
        ("3 × 10⁸ m/s", "3 x 10^8 m/s"), ("3 × 10^8 m/s", r"3\times10^8 m/s"), ("λ = 500 nm", "λ=500 nm"),
        ("5'-ATG-3'", "5′-ATG-3′"), ("Homo sapiens", "homo sapiens"), ("T. rex", "T rex"), ("γ-ray", "gamma ray"),
        ("γ rays", "gamma rays"), ("pi bond", "π bond"), ("μ = 0.3", "μ=0.3"), ("50 Hz", "50hz"),
        ("25 °C", "25 ℃"), ("6.022 × 10²³", "6.022×10^23"), ("S_N2", "SN2"),
    ],
    "finance and history": [
        ("$5 million", "$5,000,000"), ("5 million dollars", "$5 million"), ("€2.5 billion", "€2,500,000,000"),
        ("10%", "10 %"), ("10 percent", "10 per cent"), ("18th century", "eighteenth century"),
        ("the 1920s", "1920s"), ("1920's", "1920s"), ("476 AD", "AD 476"), ("476 CE", "476 AD"),
        ("753 BC", "753 BCE"), ("1914-1918", "1914–1918"), ("September 11, 2001", "11 September 2001"),
        ("Sept. 11, 2001", "September 11, 2001"), ("14 July 1789", "July 14th, 1789"), ("May 1968", "may 1968"),
        ("7:30 PM", "7:30 pm"), ("7 p.m.", "7 pm"), ("Romeo and Juliet", "Romeo & Juliet"),
        ("Pride and Prejudice", "Pride & Prejudice"), ("The Great Gatsby", "Great Gatsby"),
        ("A Tale of Two Cities", "Tale of Two Cities"), ("The Two Towers", "Two Towers"), ("Catch-22", "Catch 22"),
        ("Twelve Angry Men", "12 Angry Men"), ("J.K. Rowling", "J. K. Rowling"), ("JK Rowling", "J.K. Rowling"),
        ("U.S.", "US"), ("U.S.", "us"), ("the U.S.", "US"), ("USSR", "U.S.S.R."), ("St Petersburg", "St. Petersburg"),
        ("Mt. Everest", "Mt Everest"), ("Côte d'Ivoire", "Côte d’Ivoire"), ("Jean-Paul Sartre", "Jean Paul Sartre"),
        ("OK", "O.K."), ("n = 5", "n=5"), ("5 apples", "five apples"), ("ten", "10"), ("1/4", "one quarter"),
        ("three-quarters", "3/4"), ("twenty-five", "25"), ("ninety nine", "99"), ("eleven", "11"), ("no", "No."),
    ],
    "signs of other subjects": [
        ("≥ 5", "≥5"), ("<= 5", "≤5"), ("!= 5", "≠5"), ("O(n^2)", "O(n²)"), ("2½", "2 1/2"), ("№ 5", "No. 5"),
    ],
    "scripts, again": [
        ("שלום", "שלום."), ("사과", "사과."), ("北京", "北京。"), ("“孔子”", "孔子"), ("李白 ", "李白"),
        ("①", "1"), ("Лев Толстой", "лев толстой"),
        ("«Война и мир»", "Война и мир"), ("İzmir", "Izmir"), ("Ελλάδα", "ΕΛΛΆΔΑ"),
        ("Straße", "Strasse"), ("l’eau", "l'eau"), ("aujourd’hui", "aujourd'hui"), ("la mort", "mort"),
        ("l'État", "État"),
    ],
}  # fmt: skip

DIFFERENT: dict[str, list[tuple[str, str]]] = {
    "articles": [
        ("A positive", "positive"), ("A band", "band"), ("A minor", "minor"), ("vitamin A", "vitamin"),
    ],
    "articles of other languages": [
        ("Theory", "ory"), ("Andes", "des"), ("der See", "die See"), ("le livre", "la livre"),
        ("el capital", "la capital"),
    ],
    "hyphens": [
        ("2,4-D", "24D"), ("x-2", "x2"), ("A-B", "AB"), ("Rh negative", "Rh-"), ("pre-eclampsia", "preeclampsia"),
        ("re-sign", "resign"), ("1939-1945", "19391945"), ("a-b", "a b"),
    ],
    "Greek letters": [
        ("α", "β"), ("IFN-γ", "IFN-β"), ("5 μg", "5 mg"),
    ],
    "Roman numerals": [
        ("Type I", "Type II"), ("Hepatitis C", "hepatitis 100"), ("type A", "type B"), ("type C", "type 100"),
        ("World War II", "World War I"), ("Henry V", "Henry 5"), ("collagen type IV", "type IV collagen"),
        ("class D", "class 500"),
    ],
    "ligatures and accents": [
        ("Ångström", "Angstrom"), ("Poincaré", "Poincare"), ("schon", "schön"), ("año", "ano"),
    ],
    "numbers in words": [
        ("no one", "No. 1"), ("two", "3"), ("One Direction", "Direction"),
    ],
    "ordinals": [
        ("second", "2"), ("first", "second"), ("Fourth Amendment", "Fourteenth Amendment"),
    ],
    "figures": [
        ("5, 105", "5105"), ("1,5", "15"), ("2,4-D", "2.4-D"),
    ],
    "units and money": [
        ("5 hours", "5 minutes"), ("5 years old", "5 years"), ("5 m", "5 mm"), ("0.5 M", "0.5 m"), ("5 MW", "5 mW"),
        ("5 g", "5 G"), ("81 mg", "81 g"), ("aspirin 81 mg", "aspirin"), ("aspirin 81 mg", "aspirin 325 mg"),
        ("5'", "5 ft"), ("$5", "€5"),
    ],
    "dates": [
        ("July 4, 1776", "July 4, 1777"), ("July 4", "July 4, 1776"), ("March 2020", "March 2021"), ("1990s", "1990"),
        ("44 BC", "44 AD"),
    ],
    "genes, signs and chemistry": [
        ("Rh+", "Rh positive"), ("Rh+", "Rh-"), ("HLA-B27", "HLA-B51"), ("CD4+", "CD4-"), ("CD4+", "CD4"),
        ("CD4+ T cells", "CD4 T cells"), ("Na+", "K+"), ("BRCA1", "BRCA2"), ("BRCA-1", "BRCA1"),
        ("t(9;22)", "t(8;14)"), ("IL-6", "IL-2"), ("del(5q)", "del(7q)"), ("AB+", "AB positive"), ("O-", "O+"),
        ("HER2+", "HER2-"), ("ER+/PR+", "ER+/PR-"), ("↑", "↓"), ("↑ TSH", "↓ TSH"), ("TSH ↑", "TSH"),
        ("46,XX", "46,XY"), ("†", "‡"), ("♂", "♀"), ("♭", "♯"), ("B♭", "B"), ("B♭", "Bb"), ("✓", "✗"),
        ("A → B", "B → A"), ("¬p", "p"), ("p ∧ q", "p ∨ q"), ("a ∈ B", "a ∉ B"), ("n²", "n³"),
        ("Fe²⁺", "Fe³⁺"), ("Fe(II)", "Fe(III)"), ("iron (II)", "iron (III)"), ("iron (II)", "iron"), ("@", "#"),
        ("a/b", r"a\b"), ("50¢", "50"), ("5‰", "5%"), ("5″", "5′"), ("F♯ minor", "F minor"),
        ("E♭ major", "E major"), ("R-carvone", "S-carvone"), ("(R)-2-butanol", "(S)-2-butanol"),
        ("(+)-limonene", "(−)-limonene"), ("D-glucose", "L-glucose"), ("cis-2-butene", "trans-2-butene"),
        ("(E)-2-butene", "(Z)-2-butene"), ("1-butene", "2-butene"), ("NaCl", "NaCl(aq)"), ("CO", "Co"),
        ("CoCl2", "COCl2"), ("SO3", "SO32-"), ("¹⁴C", "C-14"),
    ],
    "scripts": [
        ("बेटा", "बेटी"), ("عَلِم", "عُلِم"), ("ป่า", "ปา"), ("กรุงเทพฯ", "กรุงเทพ"), ("北京市", "北京"),
        ("東京", "京東"), ("か", "が"), ("は", "ば"), ("ビル", "ビール"), ("おばさん", "おばあさん"),
        ("ёлка", "елка"), ("мука", "му́ка"), ("ἔρως", "ἐρῶς"),
    ],
    "citations of laws": [
        ("§ 823 BGB", "§ 832 BGB"), ("§ 823 Abs. 1 BGB", "§ 823 Abs. 2 BGB"), ("§ 823 I BGB", "§ 823 II BGB"),
        ("28 U.S.C. § 1331", "28 U.S.C. § 1332"), ("28 U.S.C. § 1331", "28 USC 1331"),
        ("Rule 12(b)(6)", "Rule 12(b)(1)"), ("Rule 12(b)(6)", "Fed. R. Civ. P. 12(b)(6)"),
        ("410 U.S. 113", "347 U.S. 483"),
    ],
    "codes of the ICD": [
        ("E11.9", "E11.8"), ("J45.901", "J45901"),
    ],
    "several answers": [
        ("Rome and Milan", "Rome"), ("Rome or Milan", "Rome"), ("Rome; Milan", "Rome"),
    ],
    "explanations": [
        ("Rome (Italy)", "Italy"), ("Rome, Italy", "Rome"), ("Paris (Texas)", "Paris (France)"), ("f (x)", "f"),
        ("Yes (but only at night)", "Yes"), ("true (false)", "true"), ("not guilty", "guilty"),
        ("unconstitutional", "constitutional"), ("Vitamin C (ascorbic acid)", "ascorbic acid"),
        ("factor (V)", "factor"), ("Richard, the Lionheart", "Richard"), ("the heart, the lungs", "heart"),
    ],
    "words that look alike": [
        ("cat", "cats"), ("Mars", "Mar"), ("hypertension", "hypotension"), ("increase", "increases"),
        ("abduction", "adduction"), ("ileum", "ilium"), ("mitosis", "meiosis"),
    ],
    "British and American": [
        ("colour", "color"), ("haemoglobin", "hemoglobin"),
    ],
    "quotes and abbreviations": [
        ("Smith, John", "John Smith"), ("Yes", "No"), ("Jesus'", "Jesus"), ("students'", "student's"), ("Hg", "mg"),
    ],
    "numbers with signs": [
        ("$5.00", "$5"), ("5.0 mg", "5 mg"), ("100°C", "100°F"), ("+5", "5"), ("≈5", "5"), ("5+", "5"),
        (">18", "≥18"), ("18+", "18"), ("10:30", "10.30"), ("10:30 am", "10:30 pm"), ("3:1", "1:3"),
        ("3 to 5", "3-5"),
    ],
    "medicine": [
        ("Crohn disease", "Crohn's disease"), ("Vitamin B12", "Vitamin B-12"), ("Vitamin B12", "Vitamin B6"),
        ("Clostridium difficile", "C. difficile"), ("S. aureus", "S. epidermidis"), ("Trisomy 21", "trisomy 18"),
        ("Type IV hypersensitivity", "type III hypersensitivity"), ("HbA1c > 6.5%", "HbA1c < 6.5%"),
        ("↓ K+", "↑ K+"), ("β₁ receptor", "β₂ receptor"), ("anti-CCP", "anti-RF"),
        ("0.9% saline", "0.45% saline"), ("10 mg/kg/day", "10 mg/kg"), ("q12h", "q8h"),
        ("1:1000 epinephrine", "1:10,000 epinephrine"), ("L5-S1", "L4-L5"), ("T4", "T3"), ("CN III", "CN IV"),
        ("left ventricle", "right ventricle"), ("G6PD deficiency", "G-6-PD deficiency"),
        ("blood group A", "blood group B"), ("A positive", "A negative"), ("AB Rh+", "AB Rh-"), ("HIV-1", "HIV-2"),
        ("HPV-16", "HPV-18"), ("PaCO2 ↑", "PaCO2 ↓"), ("small cell lung cancer", "non-small cell lung cancer"),
        ("a 5-year-old", "5 year old"), ("100 U/L", "100 IU/L"), ("ACE inhibitors", "ACE inhibitor"),
    ],
    "law": [
        ("Miranda v. Arizona, 384 U.S. 436 (1966)", "Miranda v. Arizona"),
        ("the First Amendment", "Second Amendment"), ("Art. III", "Art. IV"), ("§ 433 Abs. 2 BGB", "§ 433 II BGB"),
        ("§ 433 BGB", "Art. 433 BGB"), ("Art. 3 Abs. 1 GG", "Art. 3 Abs. 3 GG"), ("§ 242 StGB", "§ 242 BGB"),
        ("Rule 403", "rule 404"), ("Rule 404(b)", "Rule 404(a)"), ("18 U.S.C. 924(c)", "18 U.S.C. § 924(c)"),
        ("Título IX", "Título 9"), ("Title VII", "Title VI"), ("mens rea", "actus reus"), ("guilty", "not guilty"),
        ("liable", "not liable"), ("1/2/2020", "2/1/2020"),
    ],
    "physics, chemistry and biology": [
        ("NaOH", "NaCl"), ("CH3CH2OH", "C2H5OH"), ("2,2-dimethylbutane", "2,3-dimethylbutane"), ("sp³", "sp3"),
        ("sp³", "sp²"), ("sp3", "sp2"), ("Cu(II)", "copper(II)"), ("Cu(II)", "Cu(I)"), ("OH-", "OH"),
        ("1s²2s²2p⁶", "1s²2s²2p⁵"), ("9.8 m/s^2", "9.8 m/s"), ("3 × 10⁸", "3 × 10⁷"), ("ΔH < 0", "ΔH > 0"),
        ("ΔG° < 0", "ΔG < 0"), ("5′ to 3′", "3′ to 5′"), ("ATG", "AUG"), ("AaBb", "AABB"), ("Aa", "AA"),
        ("X^A X^a", "XAXa"), ("α particle", "β particle"), ("e⁻", "e⁺"), ("π bond", "σ bond"),
        ("50 kHz", "50 Hz"), ("5 kΩ", "5 Ω"), ("298 K", "298 °C"), ("1 atm", "1 bar"), ("(R)", "(S)"),
        ("d orbital", "p orbital"), ("S_N1", "S_N2"),
    ],
    "finance and history": [
        ("$5 million", "$5 billion"), ("$5M", "$5 million"), ("10 bps", "10%"), ("World War I", "First World War"),
        ("WWII", "World War II"), ("Louis XIV", "Louis XVI"), ("Louis XIV", "Louis 14"),
        ("Elizabeth II", "Elizabeth I"), ("the 18th century", "19th century"), ("753 BC", "753 AD"),
        ("1914 to 1918", "1914-1918"), ("7:30 PM", "7:30 AM"), ("noon", "midnight"), ("1984", "Nineteen Eighty-Four"),
        ("Se7en", "Seven"), ("Martin Luther King Jr.", "Martin Luther King, Jr."),
        ("Dr. Martin Luther King", "Martin Luther King"), ("São Paulo", "Sao Paulo"), ("Zürich", "Zurich"),
        ("New York City", "New York"), ("WHO", "The Who"), ("Mount Everest", "Mt. Everest"), ("co-op", "coop"),
        ("e-mail", "email"), ("six", "sex"), ("1 in 4", "1 in 5"), ("2:3", "3:2"), ("a dozen", "12"),
        ("No. 5", "number 5"),
    ],
    "signs of other subjects": [
        ("≥5", "> 5"), ("A ∪ B", "A ∩ B"), ("A ⊂ B", "A ⊆ B"), ("∀x", "∃x"), ("P → Q", "Q → P"),
        ("P ↔ Q", "P → Q"), ("p ∨ ¬q", "p ∨ q"), ("x ∈ ℝ", "x ∈ ℤ"), ("O(n²)", "O(n)"), ("O(n log n)", "O(n)"),
        ("O(2^n)", "O(n^2)"), ("a[0]", "a[1]"), ("x++", "x--"), ("i++", "++i"), ("==", "==="), ("&&", "||"),
        ("*p", "&p"), ("#include", "include"), ("@Override", "Override"), ("C#", "C++"), ("F#", "F"), (".NET", "NET"),
        ("f'(x)", "f(x)"), ("f''", "f'"), ("x̄", "x"), ("ŷ", "y"), ("A'", "A"), ("∅", "0"), ("±2", "+2"),
        ("+1", "-1"), ("+1", "1"), ("♠", "♥"), ("★★★", "★★"), ("☺", "☹"), ("©", "®"), ("™", "®"),
        ("½", "¼"), ("5°", "5'"), ("5° 30'", "5°30′"), ("°C", "°F"), ("<i>", "i"),
    ],
    "scripts, again": [
        ("मुंबई", "मुम्बई"), ("कमल", "कमाल"), ("दिन", "दीन"), ("सुर", "सूर"), ("जल", "जाल"), ("क़लम", "कलम"),
        ("मां", "माँ"), ("বাংলা", "বাঙলা"), ("ไก่", "ไข่"), ("เสือ", "เสื้อ"), ("มา", "ม้า"), ("หมา", "ม้า"),
        ("كتب", "كتّب"), ("حَرْب", "حرب"), ("سلام", "سلم"), ("القاهرة", "قاهرة"), ("רוֹמָא", "רומא"),
        ("한글", "한굴"), ("가", "까"), ("びょういん", "びよういん"), ("おじさん", "おじいさん"), ("きって", "きて"),
        ("パリ", "バリ"), ("ハ", "バ"), ("東京都", "東京"), ("孔子（前551年）", "孔子"), ("李白", "杜甫"),
        ("（一）", "（二）"), ("①", "②"), ("甲", "乙"), ("三", "3"), ("Ёлка", "ЕЛКА"),
        ("Пётр I", "Пётр II"), ("ışık", "isik"), ("Ελλάδα", "ΕΛΛΑΔΑ"), ("dấu", "dâu"),
        ("mà", "má"), ("Łódź", "Lodz"), ("naïve", "naive"), ("cañón", "canon"), ("der Gift", "das Gift"),
    ],
}  # fmt: skip


def are_same(left: str, right: str) -> bool:
    forms = normalised_text(left), normalised_text(right)
    return "" not in forms and (forms[0] == forms[1] or says_the_same(*forms))


@pytest.mark.parametrize(("left", "right"), [pair for pairs in SAME.values() for pair in pairs])
def test_one_answer_in_two_ways(left: str, right: str) -> None:
    assert are_same(left, right) and are_same(right, left)


@pytest.mark.parametrize(("left", "right"), [pair for pairs in DIFFERENT.values() for pair in pairs])
def test_two_answers(left: str, right: str) -> None:
    assert not are_same(left, right) and not are_same(right, left)


@pytest.mark.parametrize(("_pattern", "example"), GLOSSES)
def test_each_gloss_has_a_shorter_answer(_pattern: str, example: str) -> None:
    shorter = {"Rome (Italy)": "Rome", "das Gift": "Gift", "It is Rome": "Rome"}.get(example, example.split(",")[0])
    assert are_same(example, shorter)
