"""Names of units in answers: one line for each unit, with its names in English and other languages."""

UNITS = """\
m | 1 | m | meter meters metre metres mètre mètres metro metros meter metri метр метра метров 米 メートル 미터 मीटर
in | 0.0254 | m | inch inches zoll pulgada pulgadas pouce pouces дюйм дюймов 英寸 インチ
ft | 0.3048 | m | foot feet pied pieds pie pies fuß фут футов 英尺 フィート
yd | 0.9144 | m | yard yards yds
mi | 1609.344 | m | mile miles milla millas meile meilen мили миль 英里 マイル
nmi | 1852 | m | nautical_mile nautical_miles
ly | 9460730472580800 | m | light-year light-years light_year light_years lightyear lightyears 光年
Å | 1e-10 | m | angstrom angstroms ångström
au | 149597870700 | m | AU astronomical_unit astronomical_units
km | 1000 | m | kilometer kilometers kilometre kilometres kilometro kilometros kilómetro kilómetros kilomètre
    kilomètres chilometri quilômetros километр километра километров км 公里 千米 キロメートル キロ 킬로미터 किमी
    किलोमीटर kms
cm | 0.01 | m | centimeter centimeters centimetre centimetres centímetro centímetros centimètre centimètres zentimeter
    см сантиметр сантиметров 厘米 公分 センチメートル センチ 센티미터 सेमी cms
mm | 0.001 | m | millimeter millimeters millimetre millimetres milímetros millimètres мм миллиметров 毫米
    ミリメートル 밀리미터
dm | 0.1 | m | decimeter decimeters decimetre decimetres дм 分米
µm | 1e-6 | m | um micrometer micrometers micrometre micrometres micron microns 微米
nm | 1e-9 | m | nanometer nanometers nanometre nanometres 纳米
s | 1 | s | sec secs seg second seconds sekunde sekunden seconde secondes segundo segundos secondo secondi секунд
    секунды секунда сек 秒 秒钟 초 सेकंड
min | 60 | s | mins minute minutes minuten minuto minutos minuti минут минуты минута мин 分钟 分鐘 分 分間 분 मिनट
h | 3600 | s | hr hrs hour hours stunde stunden std heure heures hora horas ora ore час часа часов ч 小时 小時 时 時
    個小時 个小时 時間
    시간 घंटे घंटा
day | 86400 | s | days d tag tage tagen jour jours día días dia dias giorno giorni день дня дней 天 日 日間 일 दिन
week | 604800 | s | weeks wk wks woche wochen semaine semaines semana semanas settimana settimane неделя недели недель
    周 星期 週間 주 सप्ताह
fortnight | 1209600 | s | fortnights
ms | 1e-3 | s | millisecond milliseconds мс 毫秒
µs | 1e-6 | s | us microsecond microseconds 微秒
ns | 1e-9 | s | nanosecond nanoseconds
unit | 1 | unit | units U unidades einheiten unités unità единиц 单位 單位
month | 1 | month | months mo monat monate monaten mois mes meses mese mesi месяц месяца месяцев 个月 個月 か月 ヶ月
    カ月 개월
    महीने
year | 12 | month | years yr yrs years_old year_old year-old y jahr jahre jahren an ans année années año años anos ano
    anno anni год года лет 年 年間 岁 歳 살 साल वर्ष
decade | 120 | month | decades
century | 1200 | month | centuries
kg | 1 | kg | kilo kilos kilogram kilograms kilogramme kilogrammes kilogramm kilogramo kilogramos quilogramas
    chilogrammi кг килограмм килограмма килограммов 公斤 千克 キログラム 킬로그램 किग्रा किलोग्राम kgs
g | 1e-3 | kg | gr gram grams gramme grammes gramm gramo gramos grammi gramas г грамм граммов 克 グラム 그램 ग्राम gms
mg | 1e-6 | kg | milligram milligrams milligrammes мг 毫克
µg | 1e-9 | kg | ug mcg microgram micrograms 微克
t | 1000 | kg | tonne tonnes metric_ton metric_tons tonelada toneladas тонн тонны 吨 噸 トン
ton | 907.18474 | kg | tons short_ton short_tons
lb | 0.45359237 | kg | lbs lbm pound-mass pounds-mass libra libras livre livres pfund фунт фунтов 磅
oz | 0.028349523125 | kg | ounce ounces
u | 1.6605390666e-27 | kg | amu Da dalton daltons
L | 0.001 | m^3 | l ℓ liter liters litre litres litro litros litri литр литра литров л 升 リットル 리터 लीटर
mL | 1e-3 | L | ml cc milliliter milliliters millilitre millilitres мл 毫升 ミリリットル
dL | 0.1 | L | dl deciliter deciliters decilitre decilitres
cL | 0.01 | L | cl centiliter centiliters centilitre centilitres
µL | 1e-6 | L | ul uL microliter microliters microlitre microlitres
gal | 3.785411784 | L | gallon gallons gals galón galones галлон галлонов 加仑
qt | 0.946352946 | L | quart quarts qts
pt | 0.473176473 | L | pint pints pts
cup | 0.2365882365 | L | cups c. tasse tassen taza tazas tasses 杯
tbsp | 0.01478676478125 | L | tablespoon tablespoons tbs
tsp | 0.00492892159375 | L | teaspoon teaspoons
floz | 0.0295735295625 | L | fl_oz fl._oz fluid_ounce fluid_ounces fl._oz.
ha | 10000 | m^2 | hectare hectares hectárea hectáreas hektar 公顷
acre | 4046.8564224 | m^2 | acres
A | 1 | A | amp amps ampere amperes 安培
mA | 1e-3 | A | milliamp milliamps milliampere milliamperes
µA | 1e-6 | A | uA microamp microamps
kA | 1e3 | A | kiloampere
K | 1 | K | kelvin kelvins
°C | 1 | °C | celsius centigrade degree_celsius degrees_celsius degree_centigrade degrees_centigrade degrees_c
    degree_c deg_c °_c °_celsius grad_celsius degrés_celsius grados_celsius graus_celsius gradi_celsius
    градусов_цельсия 摄氏度 攝氏度 度c 섭씨
°F | 1 | °F | fahrenheit degree_fahrenheit degrees_fahrenheit degrees_f degree_f deg_f °_f °_fahrenheit
    grad_fahrenheit 华氏度
° | 1 | ° | degree degrees deg degs grad grado grados degré degrés grau graus gradi градус градуса градусов 度 도
rad | 1 | rad | radian radians radianes radianti радиан радиан 弧度
rev | 1 | rev | revolution revolutions turn turns rotation rotations
sr | 1 | sr | steradian steradians
mol | 1 | mol | mole moles моль 摩尔
mmol | 1e-3 | mol | millimole millimoles
µmol | 1e-6 | mol | umol micromole micromoles
kmol | 1e3 | mol | kilomole kilomoles
mEq | 1 | mEq | meq milliequivalent milliequivalents
IU | 1 | IU | iu
cd | 1 | cd | candela candelas
lm | 1 | lm | lumen lumens
lx | 1 | lx | lux
dB | 1 | dB | db decibel decibels
ppm | 1 | ppm | parts_per_million
ppb | 1 | ppb | parts_per_billion
bit | 1 | bit | bits
beat | 1 | beat | beats
pp | 1 | pp | percentage_point percentage_points
bp | 0.01 | pp | basis_point basis_points
byte | 8 | bit | bytes B
KB | 8e3 | bit | kB kb kilobyte kilobytes
MB | 8e6 | bit | megabyte megabytes
GB | 8e9 | bit | gb gigabyte gigabytes
TB | 8e12 | bit | tb terabyte terabytes
USD | 1 | USD | $ US$ dollar dollars us_dollar us_dollars u.s._dollars usd dólar dólares dollari доллар доллара
    долларов 美元 美金 ドル 달러 डॉलर
cent | 0.01 | USD | ¢ cents ct cts центов 美分 セント 센트
penny | 0.01 | USD | pennies
EUR | 1 | EUR | € euro euros eur евро 欧元 ユーロ 유로
GBP | 1 | GBP | £ gbp pound_sterling pounds_sterling british_pounds 英镑
p | 0.01 | GBP | pence
JPY | 1 | JPY | yen jpy 円 日元 엔
CNY | 1 | CNY | yuan rmb cny renminbi 元 块 块钱 人民币
INR | 1 | INR | ₹ rs rs. rupee rupees inr रुपये रुपए रुपया 卢比
paisa | 0.01 | INR | paise पैसे
KRW | 1 | KRW | ₩ won krw 원
RUB | 1 | RUB | ₽ rub ruble rubles rouble roubles рубль рубля рублей руб
CHF | 1 | CHF | chf franc francs franken swiss_franc swiss_francs schweizer_franken
CAD | 1 | CAD | c$ ca$ cad canadian_dollars
AUD | 1 | AUD | a$ au$ aud australian_dollars
HKD | 1 | HKD | hk$ hkd 港元 港币
BRL | 1 | BRL | r$ brl real reais
MXN | 1 | MXN | peso pesos mxn
CZK | 1 | CZK | kč czk koruna korun
DKK | 1 | DKK | dkk
NOK | 1 | NOK | nok
HUF | 1 | HUF | huf forint forints
TRY | 1 | TRY | ₺ lira liras
UAH | 1 | UAH | ₴ hryvnia hryvnias гривен гривны
ILS | 1 | ILS | ₪ shekel shekels
THB | 1 | THB | ฿ baht
VND | 1 | VND | ₫ đồng dong vnd
PHP | 1 | PHP | ₱ php
NGN | 1 | NGN | ₦ naira
ZAR | 1 | ZAR | rand zar
SGD | 1 | SGD | s$ sgd
NZD | 1 | NZD | nz$ nzd
TWD | 1 | TWD | nt$ twd
IDR | 1 | IDR | idr rp rupiah
MYR | 1 | MYR | rm myr ringgit
SAR | 1 | SAR | riyal riyals
AED | 1 | AED | dirham dirhams
PLN | 1 | PLN | zł pln złoty złotych
SEK | 1 | SEK | kr sek kronor krona
psi | 6894.757293168 | Pa | lbf/in^2
mmHg | 133.322387415 | Pa | mmhg mm_hg torr Torr 毫米汞柱
cmH₂O | 98.0665 | Pa | cmH2O cmh2o
bar | 1e5 | Pa | bars
atm | 101325 | Pa | atmosphere atmospheres
lbf | 4.4482216152605 | N | pound-force pounds-force
dyn | 1e-5 | N | dyne dynes
erg | 1e-7 | J | ergs
cal | 4.184 | J | calorie calories
kcal | 4184 | J | kilocalorie kilocalories Cal 千卡 大卡
Wh | 3600 | J | watt-hour watt-hours
kWh | 3600000 | J | kwh kilowatt-hour kilowatt-hours kilowatt_hour kilowatt_hours
BTU | 1055.05585262 | J | btu btus
eV | 1.602176634e-19 | J | ev electronvolt electronvolts electron-volt electron-volts electron_volt electron_volts
hp | 745.69987158227 | W | horsepower
M | 1 | mol/L | molar
mM | 1e-3 | mol/L | millimolar
"""
"""unit | size | in which unit | names. An indented line goes on with the names of the line above.

"_" stands for a space. The symbol of a unit keeps upper and lower case; all other names are compared in lower case too.
"""

DERIVED = """\
N | kg*m/s^2 | newton newtons 牛 牛顿 ニュートン
J | kg*m^2/s^2 | joule joules 焦 焦耳 ジュール джоуль джоулей
W | kg*m^2/s^3 | watt watts 瓦 ватт
Pa | kg/m/s^2 | pascal pascals
Hz | 1/s | hertz 赫兹
C | A*s | coulomb coulombs
V | kg*m^2/A/s^3 | volt volts 伏 伏特 вольт
Ω | kg*m^2/A^2/s^3 | ohm ohms 欧姆 欧
F | A^2*s^4/kg/m^2 | farad farads
H | kg*m^2/A^2/s^2 | henry henries henrys
T | kg/A/s^2 | tesla teslas
Wb | kg*m^2/A/s^2 | weber webers
Bq | 1/s | becquerel becquerels
Gy | m^2/s^2 | gray grays
Sv | m^2/s^2 | sievert sieverts
"""
"""Derived units of the SI: unit | in base units | names."""

PREFIXED = {
    "m": "fpnµ", "s": "fpnµm", "g": "nµm", "Hz": "kMGT", "bit": "kMGT", "H": "nµm", "T": "nµm", "C": "pnµm",
    "F": "pnµm",
    "Wh": "mkMGT", "eV": "mkMGT", "N": "µmkM", "J": "nµmkMG", "W": "nµmkMG", "Pa": "µmhkMG", "V": "nµmkM", "Ω": "µmkMG",
    "Bq": "kMG", "Gy": "µm", "Sv": "µm",
}  # fmt: skip
"""Unit -> prefixes of the SI that it takes here."""
PREFIXES = {
    "f": ("1e-15", "femto"), "p": ("1e-12", "pico"), "n": ("1e-9", "nano"), "µ": ("1e-6", "micro"),
    "m": ("1e-3", "milli"), "h": ("1e2", "hecto"), "k": ("1e3", "kilo"), "M": ("1e6", "mega"),
    "G": ("1e9", "giga"), "T": ("1e12", "tera"),
}  # fmt: skip

ALIASES = {
    "mph": "mi/h", "m.p.h.": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h", "knot": "nmi/h", "knots": "nmi/h",
    "kn": "nmi/h", "rpm": "rev/min", "Mbps": "Mbit/s", "gpm": "gal/min",
    "bpm": "beat/min", "Nm": "N*m", "Ns": "N*s", "Js": "J*s", "kilohm": "kΩ", "kilohms": "kΩ", "megohm": "MΩ",
    "sqm": "m^2", "sqft": "ft^2", "sqkm": "km^2",
}  # fmt: skip
"""Name -> form of the unit with several factors."""

SEVERAL = {
    "pound": ("lb", "GBP"), "pounds": ("lb", "GBP"), "¥": ("JPY", "CNY"), "C": ("C", "°C"), "F": ("F", "°F"),
    "bps": ("bit/s", "bp"),
}  # fmt: skip
"""Names with several meanings: a quantity in pounds may be in lb or in GBP, and is never both."""

IN_ONE_CASE = (
    "km", "cm", "mm", "nm", "kg", "kHz", "MHz", "GHz", "kPa", "MPa", "hPa", "keV", "MeV", "GeV", "kV", "kW", "kJ",
    "kWh",
)  # fmt: skip
"""Symbols that people also write in one case, as in KM or khz."""
LETTER_UNITS = frozenset("mgshl")
"""Letters that are units after a number, as in 5m."""
SPACED_LETTER_UNITS = frozenset("mgshlLNJWVKCFAMTHU") | {"Ω"}
"""Letters that are units after a number and a space; in `5N`, N is a variable."""
SPACED_NAMES = frozenset((
    "an", "au", "us", "um", "ug", "ct", "cts", "sr", "cd", "lm", "lx", "mo", "ha", "hp", "kn", "mil", "mes", "pt", "ly",
    "cl", "dl", "ns", "db", "pp", "bp", "rm", "rp",
))  # fmt: skip
"""Short names that are units after a space or in \\text{...} only; in `5an`, a and n are variables."""
POWERS_BEFORE = {
    "square": 2, "sq": 2, "sq.": 2, "cubic": 3, "cu": 3, "cu.": 3, "кв": 2, "кв.": 2, "куб": 3, "куб.": 3,
    "квадратных": 2, "квадратные": 2, "квадратный": 2, "кубических": 3,
}  # fmt: skip
"""Word before a unit -> power: square metres."""
POWERS_AFTER = {
    "squared": 2, "cubed": 3, "cuadrado": 2, "cuadrados": 2, "carré": 2, "carrés": 2, "quadrado": 2, "quadrados": 2,
    "quadrato": 2, "quadrati": 2, "cúbico": 3, "cúbicos": 3, "cube": 3, "cubes": 3, "cubi": 3,
}  # fmt: skip
"""Word after a unit -> power: metres squared."""
PREFIXED_POWERS = {"平方": 2, "立方": 3, "quadrat": 2, "kubik": 3}
"""Start of the name of a unit -> power: Quadratmeter, 平方米."""

MONEY_SIGNS = "$€£¥₹₩₽¢₺₴₪฿₫₱₦"
CURRENCY_SIGNS = (
    "US$", "HK$", "A$", "AU$", "C$", "CA$", "R$", "S$", "NZ$", "NT$", *MONEY_SIGNS, "USD", "EUR", "GBP", "JPY", "CNY",
    "INR", "CHF", "Rs.", "Rs", "RMB", "RM", "Rp",
)  # fmt: skip
"""Signs that stand before an amount of money."""

COUNTERS = "个個只隻本名位条張张件块棵朵頭头匹辆台枚人개명"
"""Chinese, Japanese and Korean counters: 42个苹果 are 42 apples."""

NO_UNITS = frozenset(
    (
        "and", "or", "to", "is", "are", "was", "were", "if", "when", "then", "than", "times", "plus", "minus",
        "mod", "modulo", "choose", "over", "past", "factorial", "squared", "cubed", "remainder", "not", "no", "where",
        "with", "by", "for", "equals", "approximately", "about", "base",
    )
)  # fmt: skip
"""English words after a number that make no counted thing of it."""
VERBS = frozenset(("is", "are", "was", "were", "if", "when", "than", "equals", "because"))
"""English words that are never part of a counted thing."""
TAILS = ("in total", "in all", "altogether", "total", "each", "left", "remaining", "more", "only", "exactly", "long",
         "high", "wide", "deep", "tall", "away", "old")  # fmt: skip
"""Words after a counted thing or a unit that say nothing about the unit."""
