"""Options in the forms of exams and prompts of many countries, and what a reader would list.

The second option is always "B", whatever its label is.
"""

import pytest

from stages.answers.options.listed import options_of

LISTS: list[tuple[str, dict[str, str]]] = [
    ("Which?\n<A> argon\n<B> neon\n<C> xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? <A> argon <B> neon <C> xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n| A | argon |\n| B | neon |\n| C | xenon |", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        "Which?\n| Option | Text |\n|---|---|\n| A | argon |\n| B | neon |\n| C | xenon |",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("Which?\n|A|argon|\n|B|neon|\n|C|xenon|", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA . argon\nB . neon\nC . xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? A . argon B . neon C . xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA)argon\nB)neon\nC)xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA.argon\nB.neon\nC.xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA.Argon\nB.Neon\nC.Xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? A.argon B.neon C.xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA:argon\nB:neon\nC:xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n(A)argon\n(B)neon\n(C)xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? (A)argon (B)neon (C)xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA) argon, B) neon, C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA: argon; B: neon; C: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n1) argon\n2) neon\n3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n1. argon\n2. neon\n3. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n(1) argon\n(2) neon\n(3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? (1) argon (2) neon (3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n① argon\n② neon\n③ xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("哪个？①氩②氖③氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("Какой газ?\nа) аргон\nб) неон\nв) ксенон\nг) радон", {"A": "аргон", "B": "неон", "C": "ксенон", "D": "радон"}),
    ("Какой газ?\nА. аргон\nБ. неон\nВ. ксенон", {"A": "аргон", "B": "неон", "C": "ксенон"}),
    ("Какой газ?\nА) аргон\nБ) неон\nВ) ксенон\nГ) радон", {"A": "аргон", "B": "неон", "C": "ксенон", "D": "радон"}),
    ("どれ？\nア アルゴン\nイ ネオン\nウ キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("どれ？\nア．アルゴン\nイ．ネオン\nウ．キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("どれ？\nア. アルゴン\nイ. ネオン\nウ. キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("どれ？ (ア) アルゴン (イ) ネオン (ウ) キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("어느 것?\n가. 아르곤\n나. 네온\n다. 제논", {"A": "아르곤", "B": "네온", "C": "제논"}),
    (
        "어느 것?\n① 아르곤\n② 네온\n③ 제논\n④ 라돈\n⑤ 헬륨",
        {"A": "아르곤", "B": "네온", "C": "제논", "D": "라돈", "E": "헬륨"},
    ),
    ("أي غاز؟\nأ) أرجون\nب) نيون\nج) زينون\nد) رادون", {"A": "أرجون", "B": "نيون", "C": "زينون", "D": "رادون"}),
    ("أي غاز؟\nأ. أرجون\nب. نيون\nج. زينون", {"A": "أرجون", "B": "نيون", "C": "زينون"}),
    ("איזה?\nא. ארגון\nב. ניאון\nג. קסנון", {"A": "ארגון", "B": "ניאון", "C": "קסנון"}),
    ("Which?\n(i) argon\n(ii) neon\n(iii) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\ni) argon\nii) neon\niii) xenon\niv) radon", {"A": "argon", "B": "neon", "C": "xenon", "D": "radon"}),
    ("Which?\nI. argon\nII. neon\nIII. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        ("I. It is a gas. II. It glows. III. It burns.\nWhich hold?\n(i) I only\n(ii) II only\n(iii) I and II"),
        {"A": "i only", "B": "ii only", "C": "i and ii"},
    ),
    (
        ("I. It is a gas.\nII. It glows.\nIII. It burns.\nWhich hold?\n(A) I only\n(B) II only\n(C) I and II"),
        {"A": "i only", "B": "ii only", "C": "i and ii"},
    ),
    (
        (
            "Statements: A. p B. q C. r D. s. Choose the correct answer from the options given below:\n"
            "(1) A and C only\n"
            "(2) B and D only\n"
            "(3) A, B only\n"
            "(4) all"
        ),
        {"A": "a and c only", "B": "b and d only", "C": "a, b only", "D": "all"},
    ),
    (
        "Match: A. Na B. Fe C. Cu\n(1) A-I, B-II, C-III\n(2) A-II, B-I, C-III",
        {"A": "a-i, b ii, c iii", "B": "a ii, b-i, c iii"},
    ),
    (
        (
            "Which?\n"
            "A. argon\n"
            "B. neon\n"
            "C. xenon\n"
            "\n"
            "Instructions:\n"
            "1. Think step by step.\n"
            "2. Answer with a letter.\n"
            "3. Be brief."
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        "Which?\nA. argon\nB. neon\nC. xenon\n\nFormat your answer as:\n(1) reasoning\n(2) letter",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("(a) p (b) q (c) r. Which are right?\n(1) a and b\n(2) b and c", {"A": "a and b", "B": "b and c"}),
    ("Which gas? A. argon B. neon C. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? A) argon B) neon C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? A: argon B: neon C: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? A: argon, B: neon, C: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? (A) argon, (B) neon, (C) xenon.", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? A) argon; B) neon; C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? A. argon | B. neon | C. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? 1) argon 2) neon 3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Options: A: argon, B: neon, C: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("{'A': 'argon', 'B': 'neon', 'C': 'xenon'}", {"A": "argon", "B": "neon", "C": "xenon"}),
    ('Which?\n{"A": "argon", "B": "neon", "C": "xenon"}', {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n['A. argon', 'B. neon', 'C. xenon']", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA. argon\n\nB. neon\n\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA.\nargon\nB.\nneon\nC.\nxenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n- (A) argon\n- (B) neon\n- (C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n* A) argon\n* B) neon\n* C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n> A) argon\n> B) neon\n> C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n**A** – argon\n**B** – neon\n**C** – xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nOption A. argon\nOption B. neon\nOption C. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nOption 1: argon\nOption 2: neon\nOption 3: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        "Which?\nA. a gas\nthat glows\nB. a gas\nthat burns\nC. a gas\nof no use",
        {"A": "gas that glows", "B": "gas that burns", "C": "gas of no use"},
    ),
    ("In triangle ABC, A is right. Point D lies on BC. Which?\nA. AB\nB. BC\nC. CA", {"A": "ab", "B": "bc", "C": "ca"}),
    ("Patient A. takes B. daily. Which?\nA. argon\nB. neon\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("A: I am late. B: I see. What is B?\nA. rude\nB. calm\nC. sad", {"A": "rude", "B": "calm", "C": "sad"}),
    (
        (
            "A: Hello, how are you?\n"
            "B: Fine, thanks.\n"
            "A: And the work?\n"
            "B: Good.\n"
            "What does B say?\n"
            "A. argon\n"
            "B. neon\n"
            "C. xenon"
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("W: Hi.\nM: Hi.\nA. argon\nB. neon\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\nA. 1\nB. 2\nC. 3", {"A": "1", "B": "2", "C": "3"}),
    ("Which?\nA. 3\nB. 1\nC. 2", {"A": "3", "B": "1", "C": "2"}),
    ("Which?\n1. 3\n2. 1\n3. 2", {"A": "3", "B": "1", "C": "2"}),
    ("Which? (1) 3 (2) 1 (3) 2", {"A": "3", "B": "1", "C": "2"}),
    ("Which?\nA. $x^2$\nB. $(a)+(b)$\nC. $\\frac{1}{2}$", {"A": "x^2", "B": "(a)+(b)", "C": "1/2"}),
    ("$A=5$, $B=6$. Which?\nA. $A+B$\nB. $A-B$", {"A": "a+b", "B": "a-b"}),
    ("A. 1.5\nB. 2.5\nC. 3.5", {"A": "1.5", "B": "2.5", "C": "3.5"}),
    ("Solve f(a) = 3, f(b) = 2. Which?\na) 1\nb) 2", {"A": "1", "B": "2"}),
    ("Find it. (A) $12$ (B) $14$ (C) $16$", {"A": "12", "B": "14", "C": "16"}),
    ("$\\mathrm{(A)}\\ 12 \\qquad \\mathrm{(B)}\\ 14\\qquad\\mathrm{(C)}\\ 16$", {"A": "12", "B": "14", "C": "16"}),
    ("$\\textbf{(A) } 12 \\qquad \\textbf{(B) } 14\\qquad\\textbf{(C) } 16$", {"A": "12", "B": "14", "C": "16"}),
    ("$\\text{(A) }12 \\qquad \\text{(B) }14\\qquad\\text{(C) }16$", {"A": "12", "B": "14", "C": "16"}),
    ("$\\textbf{(A)}\\ \\frac{1}{2}\\qquad\\textbf{(B)}\\ \\frac{2}{3}$", {"A": "1/2", "B": "2/3"}),
    (
        "A. Both B and C\nB. argon\nC. neon\nD. A and B",
        {"A": "both b and c", "B": "argon", "C": "neon", "D": "a and b"},
    ),
    (
        "Which?\nA. argon\nB. neon\nC. A and B\nD. A or B, not both\nE. none of A, B, C",
        {"A": "argon", "B": "neon", "C": "a and b", "D": "a or b, not both", "E": "none of a, b, c"},
    ),
    (
        ("Rules: (a) Guests pay. (b) Hosts do not. (c) Dogs stay out. (d) No noise.\nWho pays?\n(A) guests\n(B) hosts"),
        {"A": "guests", "B": "hosts"},
    ),
    (
        (
            "Rules:\n"
            "A. Guests pay.\n"
            "B. Hosts do not.\n"
            "C. Dogs stay out.\n"
            "D. No noise.\n"
            "\n"
            "Question: Who pays?\n"
            "A. guests\n"
            "B. hosts"
        ),
        {"A": "guests", "B": "hosts"},
    ),
    (
        (
            "Section 1. A. No person may enter. B. Each person pays. C. None flee.\n"
            "Which is right?\n"
            "A. argon\n"
            "B. neon\n"
            "C. xenon"
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        ("Example: Which is big?\nA. ant\nB. bee\nC. cow\nAnswer: C\n\nWhich is a gas?\nA. argon\nB. neon\nC. xenon"),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        (
            "Example: Which is big?\n"
            "A. ant\n"
            "B. bee\n"
            "C. cow\n"
            "D. dog\n"
            "Answer: C\n"
            "\n"
            "Which is a gas?\n"
            "A. argon\n"
            "B. neon\n"
            "C. xenon"
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("Which is a gas?\nA. argon\nB. neon\nC. xenon\n\nAnswer:", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        "Which is a gas?\nA. argon\nB. neon\nC. xenon\nAnswer with A, B, or C.",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        "Which is a gas? A. argon B. neon C. xenon\nAnswer with (A), (B) or (C).",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        "Which is a gas?\n(A) argon\n(B) neon\n(C) xenon\nAnswer with (A), (B) or (C).",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("Choose A, B or C.\nA. argon\nB. neon\nC. xenon\n", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        'Answer only with the letter, e.g. "A." or "B."\nWhich?\nA. argon\nB. neon\nC. xenon',
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("下列哪个是气体？\nA．氩\nB．氖\nC．氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("下列哪个是气体（\u3000\u3000）\nA. 氩\u3000\u3000B. 氖\u3000\u3000C. 氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("下列哪个是气体( )A.氩 B.氖 C.氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("①p；②q；③r。正确的是\nA. ①②\nB. ②③\nC. ①③", {"A": "12", "B": "23", "C": "13"}),
    ("① p ② q ③ r\n正确的是\nA．①② B．②③ C．①③", {"A": "12", "B": "23", "C": "13"}),
    ("Which gas glows red?\n\nA argon\nB neon\nC xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        (
            "Which gas?\n"
            "A.  argon\n"
            "\n"
            "B.  neon\n"
            "\n"
            "C.  xenon\n"
            "\n"
            "Please reason step by step, and put your final answer within \\boxed{}."
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("Question: Which gas?\nChoices:\nA. argon\nB. neon\nC. xenon\nAnswer:", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        "Question: Which gas?\nOptions:\n(A) argon\n(B) neon\n(C) xenon\nAnswer: Let's think step by step.",
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        (
            "Answer the following multiple choice question. The last line of your response should be of the "
            "following format: 'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step "
            "by step before answering.\n"
            "\n"
            "Which gas?\n"
            "\n"
            "A) argon\n"
            "B) neon\n"
            "C) xenon"
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    (
        (
            "Which gas?\n"
            "(A) argon\n"
            "(B) neon\n"
            "(C) xenon\n"
            "\n"
            'Format your response as follows: "The correct answer is (insert answer here)"'
        ),
        {"A": "argon", "B": "neon", "C": "xenon"},
    ),
    ("Which gas?\nA) argon  B) neon  C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n\tA. argon\n\tB. neon\n\tC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? a) argon, b) neon, c) xenon?", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n(A). argon\n(B). neon\n(C). xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n(A): argon\n(B): neon\n(C): xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n(A) - argon\n(B) - neon\n(C) - xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA.) argon\nB.) neon\nC.) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA). argon\nB). neon\nC). xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA.: argon\nB.: neon\nC.: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n[A]: argon\n[B]: neon\n[C]: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA、argon\nB、neon\nC、xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA．argon\u3000B．neon\u3000C．xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nＡ argon\nＢ neon\nＣ xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nⒶ argon Ⓑ neon Ⓒ xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n⑴ argon ⑵ neon ⑶ xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n❶ argon ❷ neon ❸ xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nⅠ. argon\nⅡ. neon\nⅢ. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\nA: argon | B: neon | C: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas? [A] argon, [B] neon, [C] xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n1: argon\n2: neon\n3: xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n[1] argon\n[2] neon\n[3] xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n0. argon\n1. neon\n2. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which gas?\n1 argon\n2 neon\n3 xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("次のうちどれか。\n１．アルゴン\n２．ネオン\n３．キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("次のうちどれか。\na．アルゴン\nb．ネオン\nc．キセノン", {"A": "アルゴン", "B": "ネオン", "C": "キセノン"}),
    ("A. Which of the following is a gas?\nA. argon\nB. neon\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("1. Which of the following is a gas?\nA. argon\nB. neon\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Q1. Which gas?\nA. argon\nB. neon\nC. xenon\nQ2.", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("23. Which gas?\n(1) argon (2) neon (3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("1. Which gas?\n(1) argon\n(2) neon\n(3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("1) Which gas?\na) argon\nb) neon\nc) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("1. Which gas?\n1) argon\n2) neon\n3) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    (
        "Statement 1 | p. Statement 2 | q.\nA. True, True\nB. False, False\nC. True, False",
        {"A": "true, true", "B": "false, false", "C": "true, false"},
    ),
    (
        "i) p\nii) q\niii) r\nWhich?\nA) i and ii\nB) ii and iii\nC) all",
        {"A": "i and ii", "B": "ii and iii", "C": "all"},
    ),
    (
        "(i) p (ii) q (iii) r Which? (a) (i) and (ii) (b) (ii) only (c) (i), (ii) and (iii)",
        {"A": "(i) and (ii)", "B": "(ii) only", "C": "(i), (ii) and (iii)"},
    ),
    (
        "Assertion (A): p. Reason (R): q.\n(A) Both\n(B) A only\n(C) neither",
        {"A": "both", "B": "a only", "C": "neither"},
    ),
    ("f: A → B. Which?\nA. onto\nB. one\nC. none", {"A": "onto", "B": "1", "C": "none"}),
    ("Hepatitis A, B, C, D. Which is DNA?\nA. A\nB. B\nC. C\nD. D", {"A": "a", "B": "b", "C": "c", "D": "d"}),
    ("Which vitamin?\nA. A\nB. B12\nC. C\nD. D\nE. E", {"A": "a", "B": "b12", "C": "c", "D": "d", "E": "e"}),
    ("Order: A, B, C?\nA. A-B-C\nB. B-A-C\nC. C-A-B", {"A": "a-b-c", "B": "b-a-c", "C": "c-a-b"}),
    ("Which?\nA. a) x b) y\nB. a) y b) x", {"A": "a) x b) y", "B": "a) y b) x"}),
    ("Which?\nA. Option B\nB. Option C\nC. Option A", {"A": "option b", "B": "option c", "C": "option a"}),
    (
        "Which?\nA. All of A, B, C\nB. B. subtilis\nC. C. albicans",
        {"A": "all of a, b, c", "B": "b subtilis", "C": "c albicans"},
    ),
    ("Which?\nA. p; B. q; C. r; D. s", {"A": "p", "B": "q", "C": "r", "D": "s"}),
    ("Pat. A (see fig. 1a). Which?\nA. p\nB. q", {"A": "p", "B": "q"}),
    ("John: A.\nMary: B.\nWhich?\nA. p\nB. q\nC. r", {"A": "p", "B": "q", "C": "r"}),
    ("Plaintiff A sued B. C testified. Which?\n(A) p\n(B) q\n(C) r\n(D) s", {"A": "p", "B": "q", "C": "r", "D": "s"}),
    ("A. p\nB. q\nC. r\nD. s\n\nWhich of A. to D. is a gas?", {"A": "p", "B": "q", "C": "r", "D": "s"}),
    ("Which?\nA. p\nB. q\nC. r\n\nExample answer:\nA. is my answer", {"A": "p", "B": "q", "C": "r"}),
    ("Choose the best answer (A, B, C or D):\nA. p\nB. q\nC. r\nD. s", {"A": "p", "B": "q", "C": "r", "D": "s"}),
    ("SELECT (A) yes (B) no", {"A": "yes", "B": "no"}),
    ("Text:\nA. Smith said. B. Jones replied. Which is right?\nA) p\nB) q\nC) r", {"A": "p", "B": "q", "C": "r"}),
    ("In Fig. A. and Fig. B. we see.\nA) p\nB) q", {"A": "p", "B": "q"}),
    ("What does a. mean? b. What?\n(A) p (B) q (C) r", {"A": "p", "B": "q", "C": "r"}),
    ("Выберите:\n1) аргон\n2) неон\n3) ксенон", {"A": "аргон", "B": "неон", "C": "ксенон"}),
    ("Выберите:\nA) аргон\nB) неон\nC) ксенон", {"A": "аргон", "B": "неон", "C": "ксенон"}),
    ("Выберите:\nА) аргон\nВ) неон\nС) ксенон", {"A": "аргон", "B": "неон", "C": "ксенон"}),
    ("اختر:\nA) أرجون\nB) نيون", {"A": "أرجون", "B": "نيون"}),
    ("اختر: (أ) أرجون (ب) نيون (ج) زينون", {"A": "أرجون", "B": "نيون", "C": "زينون"}),
    ("चुनें:\n(A) आर्गन\n(B) नियॉन", {"A": "आर्गन", "B": "नियॉन"}),
    ("เลือก\nก) อาร์กอน\nข) นีออน", {"A": "อาร์กอน", "B": "นีออน"}),
    ("A particle (1) moves and (2) stops. Which?\n(A) p (B) q", {"A": "p", "B": "q"}),
    (
        "Read:\n1. Wash.\n2. Dry.\n\nWhich is first?\nA. wash\nB. dry\n\n1. Think.\n2. Answer.",
        {"A": "wash", "B": "dry"},
    ),
    ("Which is a gas? Respond with 'A' or 'B'.\nA. argon\nB. iron", {"A": "argon", "B": "iron"}),
    ("Consider x + y = 3 (1) and x - y = 1 (2).\nFind x.\nA. 1\nB. 2\nC. 3", {"A": "1", "B": "2", "C": "3"}),
    ("Which sign divides?\nA. /\nB. //\nC. %\nD. |", {"A": "/", "B": "//", "C": "%", "D": "|"}),
    (
        (
            "Which question can science answer?\nA. Will the Sun become a black hole?\nB. Is it right "
            "to clone?\nC. Which is prettier?\nD. Should we vote?"
        ),
        {
            "A": "will the sun become a black hole",
            "B": "is it right to clone",
            "C": "which is prettier",
            "D": "should we vote",
        },
    ),
    (
        "Which are passive? A. Resistor B. Bulb C. Both D. None of these.",
        {"A": "resistor", "B": "bulb", "C": "both", "D": "none of these"},
    ),
    (
        "Which are passive? (A) Resistor (B) Bulb (C) Both (D) None of these.",
        {"A": "resistor", "B": "bulb", "C": "both", "D": "none of these"},
    ),
    ("Which? A. Either B. Neither C. x D. y", {"A": "either", "B": "neither", "C": "x", "D": "y"}),
    ("Which?\n(A) p (B) q (C) both (A) and (B) (D) none", {"A": "p", "B": "q", "C": "both (a) and (b)", "D": "none"}),
    ("How many? (A) 1 (B) 2 (C) 3 (D) 4", {"A": "1", "B": "2", "C": "3", "D": "4"}),
    ("Solve: 2x+3=7. (1) x=2 (2) x=3 (3) x=4", {"A": "x=2", "B": "x=3", "C": "x=4"}),
    ("Which equation is linear?\n(1) y = x\n(2) y = x^2\n(3) y = 2^x", {"A": "y=x", "B": "y=x^2", "C": "y=2^x"}),
    ("Which equation is linear? (1) y = x (2) y = x^2 (3) y = 2^x", {"A": "y=x", "B": "y=x^2", "C": "y=2^x"}),
    ("Which equation is linear? (1) y = x, (2) y = x^2, (3) y = 2^x", {"A": "y=x", "B": "y=x^2", "C": "y=2^x"}),
    ("a　心電図\nb　胸部CT\nc　心エコー", {"A": "心電図", "B": "胸部ct", "C": "心エコー"}),
    ("どれか。\na. 心電図\nb. CT\nc. MRI", {"A": "心電図", "B": "ct", "C": "mri"}),
    ("A. Both B. Either C. Neither D. None", {"A": "both", "B": "either", "C": "neither", "D": "none"}),
    (
        "Which?\nA. Both B and C\nB. x\nC. y\nD. Neither B nor C",
        {"A": "both b and c", "B": "x", "C": "y", "D": "neither b nor c"},
    ),
    (
        "Which? (A) x (B) y (C) both (D) neither (A) nor (B)",
        {"A": "x", "B": "y", "C": "both", "D": "neither (a) nor (b)"},
    ),
    (
        "Which? (A) x (B) y (C) both (A) and (B) (D) neither",
        {"A": "x", "B": "y", "C": "both (a) and (b)", "D": "neither"},
    ),
    ("Какой?\nA) печень\nБ) почка\nВ) сердце\nГ) мозг", {"A": "печень", "B": "почка", "C": "сердце", "D": "мозг"}),
    ("Which operator?\nA. +\nB. -\nC. *\nD. /", {"A": "+", "B": "-", "C": "*", "D": "/"}),
    ("Which operator?\nA. &&\nB. ||\nC. !\nD. |", {"A": "&&", "B": "||", "C": "!", "D": "|"}),
    ("Welches?\na) ja\nb) nein", {"A": "ja", "B": "nein"}),
    ("1. Ab wann?\na) ab 3\nb) ab 5\nc) ab 10", {"A": "ab 3", "B": "ab 5", "C": "ab 10"}),
    (
        "Frage 3: Wer wählt?\nA: Arbeitnehmer\nB: Arbeitgeber\nC: Gewerkschaft",
        {"A": "arbeitnehmer", "B": "arbeitgeber", "C": "gewerkschaft"},
    ),
    ("Question: x?\nOptions:\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:", {"A": "1", "B": "2", "C": "3", "D": "4"}),
    (
        "Question: x?\nChoices: A: 1, B: 2, C: 3, D: 4.\nAnswer with the letter only.",
        {"A": "1", "B": "2", "C": "3", "D": "4"},
    ),
    (
        "Passage.\n\nQuestion?\n\nA. a\n\nB. b\n\nC. c\n\nD. d\n\nThink step by step and answer with (X).",
        {"A": "a", "B": "b", "C": "c", "D": "d"},
    ),
    ("Q?\n\n(A) yes\n\n(B) no\n\nPlease answer in the format 'Answer: X'.", {"A": "yes", "B": "no"}),
    ("Q? Options: (A) $\\frac12$ (B) $\\frac13$", {"A": "1/2", "B": "1/3"}),
    ("Q? [A] x [B] y [C] z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\nA- x\nB- y\nC- z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\na.) x\nb.) y\nc.) z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\nA.) x\nB.) y", {"A": "x", "B": "y"}),
    ("Q?\n- A: x\n- B: y", {"A": "x", "B": "y"}),
    ("Q?\n* (a) x\n* (b) y", {"A": "x", "B": "y"}),
    ("Q? A: x | B: y | C: z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\nOption A: x\nOption B: y\nOption C: z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\n**Option A:** x\n**Option B:** y", {"A": "x", "B": "y"}),
    ("Q?\n1: x\n2: y\n3: z", {"A": "x", "B": "y", "C": "z"}),
    ("Q?\n0. x\n1. y\n2. z", {"A": "x", "B": "y", "C": "z"}),
    ('Q? {"A": "x", "B": "y"}', {"A": "x", "B": "y"}),
    ("Q?\nA)\nx\nB)\ny", {"A": "x", "B": "y"}),
    ("题：A.甲 B.乙 C.丙 D.丁", {"A": "甲", "B": "乙", "C": "丙", "D": "丁"}),
    ("题？\nA 甲\nB 乙\nC 丙\nD 丁", {"A": "甲", "B": "乙", "C": "丙", "D": "丁"}),
    ("题（ ）A、甲 B、乙 C、丙", {"A": "甲", "B": "乙", "C": "丙"}),
]


@pytest.mark.parametrize(("question", "options"), LISTS)
def test_options_of_exams(question: str, options: dict[str, str]) -> None:
    assert options_of(question).texts == options


NO_OPTIONS = [
    "Solve the system x+y=3 (1), x-y=1 (2). What is x?",
    "From x+y=3   (1)\nand x-y=1   (2)\nfind x.",
    "$x+y=3 \\quad (1)$\n$x-y=1 \\quad (2)$\nFind $x$.",
    "x+y=3 (1)\nx-y=1 (2)",
    "The equations (1) and (2) hold: $$a=b\\tag{1}$$ $$b=c\\tag{2}$$ Find a.",
    "What is f(1) if f(x)=x (1)?",
    "Let a = b (1) and\nb = c (2). Show a = c.",
    "I went to\na shop and\nb ought it",
    "Q? ['x', 'y', 'z']",
    "What is 5.\n1. a\nfoo",
    "Steps: 1. Add. 2. Stir. 3. Heat. What is it?",
    "A man walks.\nB is his friend.",
]


@pytest.mark.parametrize("question", NO_OPTIONS)
def test_questions_without_options(question: str) -> None:
    assert options_of(question).texts == {}


def test_only_latin_letters_are_options_of_their_own() -> None:
    """Numbered statements of a question leave room for the options that a data set has in a field of its own."""
    assert options_of("Which?\nA. p\nB. q").are_lettered
    assert not options_of("1. p\n2. q\nWhich hold?").are_lettered
    assert not options_of("① p ② q\nWhich hold?").are_lettered
