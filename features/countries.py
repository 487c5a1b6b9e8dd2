"""Countries: a name in English, Spanish or the country's own language, or an ISO code, to one code and its part of the world.

In: what a CRM or a form holds ("España", "ESP", "es", "Estados Unidos"). Out: the ISO 3166 code of two letters, None for
what names no country; and the place of its region in `REGIONS`. The table is data: rows of a country's
two codes, its region and its names. Names are compared without case, accents, points and a leading article.

>>> [country_of(text) for text in ("España", "ESP", "es", "U.S.A.", "Deutschland", "the Netherlands", "Atlantis")]
['ES', 'ES', 'ES', 'US', 'DE', 'NL', None]
>>> REGIONS[int(region_of("México"))]
'Mexico and Central America'
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from features.words import plain

__all__ = ["REGIONS", "country_of", "region_of"]

REGIONS: tuple[str, ...] = (
    "no known country",
    "Spain and Portugal",
    "western Europe",
    "the British Isles",
    "northern Europe",
    "eastern Europe",
    "North America",
    "Mexico and Central America",
    "South America",
    "the Middle East and North Africa",
    "Africa south of the Sahara",
    "South Asia",
    "East and South-East Asia",
    "Oceania",
)
"""Their names, by place; the first is a text that names no country."""

_REGION_CODES = ("", "IB", "WE", "BI", "NE", "EE", "NA", "CA", "SA", "ME", "AF", "AS", "EA", "OC")

_COUNTRIES = """
ES ESP IB Spain|España|Espana|Reino de España|Kingdom of Spain|Espanya|Espainia|Espagne|Spanien|Espanha
PT PRT IB Portugal|Portuguese Republic
AD AND IB Andorra
GI GIB IB Gibraltar
FR FRA WE France|Francia|Frankreich|França|French Republic
DE DEU WE Germany|Alemania|Deutschland|Allemagne|Alemanha|GER|Federal Republic of Germany|BRD
IT ITA WE Italy|Italia|Italie|Italien|Itália
BE BEL WE Belgium|Bélgica|België|Belgique|Belgien
NL NLD WE Netherlands|Países Bajos|Holanda|Holland|Nederland|Pays-Bas|Niederlande|NED
LU LUX WE Luxembourg|Luxemburgo|Luxemburg|Lëtzebuerg
CH CHE WE Switzerland|Suiza|Schweiz|Suisse|Svizzera|Suíça|SUI
AT AUT WE Austria|Österreich|Oesterreich|Autriche
LI LIE WE Liechtenstein
MC MCO WE Monaco|Mónaco
SM SMR WE San Marino
VA VAT WE Vatican City|Vatican|Ciudad del Vaticano|Holy See|Santa Sede
MT MLT WE Malta
GR GRC WE Greece|Grecia|Ελλάδα|Ellada|Hellas|Hellenic Republic|EL
CY CYP WE Cyprus|Chipre|Κύπρος
GB GBR BI United Kingdom|Reino Unido|UK|Great Britain|Gran Bretaña|Britain|England|Inglaterra|Scotland|Escocia|Wales
GB GBR BI Gales|Northern Ireland|Irlanda del Norte|Royaume-Uni|Vereinigtes Königreich|Großbritannien
GB GBR BI United Kingdom of Great Britain and Northern Ireland|Reino Unido de Gran Bretaña e Irlanda del Norte
IE IRL BI Ireland|Irlanda|Éire|Republic of Ireland|República de Irlanda|Irland|Irlande
JE JEY BI Jersey
GG GGY BI Guernsey|Guernesey
IM IMN BI Isle of Man|Isla de Man
DK DNK NE Denmark|Dinamarca|Danmark
SE SWE NE Sweden|Suecia|Sverige|Schweden
NO NOR NE Norway|Noruega|Norge|Noreg
FI FIN NE Finland|Finlandia|Suomi
IS ISL NE Iceland|Islandia|Ísland
FO FRO NE Faroe Islands|Islas Feroe|Føroyar
GL GRL NE Greenland|Groenlandia|Kalaallit Nunaat
AX ALA NE Åland Islands|Islas Åland|Åland
SJ SJM NE Svalbard and Jan Mayen|Svalbard y Jan Mayen
EE EST NE Estonia|Eesti
LV LVA NE Latvia|Letonia|Latvija
LT LTU NE Lithuania|Lituania|Lietuva
PL POL EE Poland|Polonia|Polska|Polen
CZ CZE EE Czech Republic|Czechia|República Checa|Chequia|Česko|Česká republika
SK SVK EE Slovakia|Eslovaquia|Slovensko|Slovak Republic
HU HUN EE Hungary|Hungría|Magyarország
RO ROU EE Romania|Rumanía|Rumania|România
BG BGR EE Bulgaria|България
SI SVN EE Slovenia|Eslovenia|Slovenija
HR HRV EE Croatia|Croacia|Hrvatska
RS SRB EE Serbia|Srbija|Србија
BA BIH EE Bosnia and Herzegovina|Bosnia y Herzegovina|Bosnia y Hercegovina|Bosnia|Bosna i Hercegovina|Bosnia-Herzegovina
ME MNE EE Montenegro|Crna Gora
MK MKD EE North Macedonia|Macedonia del Norte|Macedonia|Северна Македонија
AL ALB EE Albania|Shqipëria
XK XKX EE Kosovo|Kosova
MD MDA EE Moldova|Moldavia|Republic of Moldova|República de Moldavia
UA UKR EE Ukraine|Ucrania|Україна
BY BLR EE Belarus|Bielorrusia|Беларусь
RU RUS EE Russia|Rusia|Россия|Russian Federation|Federación Rusa|Federación de Rusia
GE GEO EE Georgia|Sakartvelo|საქართველო
AM ARM EE Armenia|Hayastan|Հայաստան
AZ AZE EE Azerbaijan|Azerbaiyán|Azərbaycan
US USA NA United States|Estados Unidos|United States of America|Estados Unidos de América|EEUU|EE UU|E U A|EUA|America
US USA NA U S|Vereinigte Staaten|États-Unis|Etats Unis
CA CAN NA Canada|Canadá|Kanada
BM BMU NA Bermuda|Bermudas
PM SPM NA Saint Pierre and Miquelon|San Pedro y Miquelón
MX MEX CA Mexico|México|Méjico|Estados Unidos Mexicanos|Mexiko|Mexique
GT GTM CA Guatemala
SV SLV CA El Salvador|Salvador
HN HND CA Honduras
NI NIC CA Nicaragua
CR CRI CA Costa Rica
PA PAN CA Panama|Panamá
BZ BLZ CA Belize|Belice
CU CUB CA Cuba
DO DOM CA Dominican Republic|República Dominicana|Rep Dominicana
HT HTI CA Haiti|Haití|Ayiti
JM JAM CA Jamaica
PR PRI CA Puerto Rico
TT TTO CA Trinidad and Tobago|Trinidad y Tobago|Trinidad y Tabago
BS BHS CA Bahamas
BB BRB CA Barbados
LC LCA CA Saint Lucia|St Lucia|Santa Lucía
GD GRD CA Grenada|Granada
VC VCT CA Saint Vincent and the Grenadines|St Vincent & Grenadines|San Vicente y las Granadinas
AG ATG CA Antigua and Barbuda|Antigua y Barbuda
DM DMA CA Dominica
KN KNA CA Saint Kitts and Nevis|St Kitts & Nevis|San Cristóbal y Nieves
GP GLP CA Guadeloupe|Guadalupe
MQ MTQ CA Martinique|Martinica
CW CUW CA Curaçao|Curazao
AW ABW CA Aruba
SX SXM CA Sint Maarten|Sint Maarten (Dutch part)|San Martín (región holandesa)
MF MAF CA Saint Martin|St Martin|San Martín
BL BLM CA Saint Barthélemy|St Barthélemy|San Bartolomé
BQ BES CA Caribbean Netherlands|Bonaire, Sint Eustatius and Saba|Bonaire, San Eustaquio y Saba|Caribe neerlandés|Bonaire
KY CYM CA Cayman Islands|Islas Caimán
VG VGB CA British Virgin Islands|Islas Vírgenes Británicas
VI VIR CA US Virgin Islands|Islas Vírgenes Americanas|U.S. Virgin Islands|United States Virgin Islands
VI VIR CA Islas Vírgenes de EE. UU.|Islas Vírgenes de los Estados Unidos|Islas Vírgenes de Estados Unidos
TC TCA CA Turks and Caicos Islands|Turks & Caicos Islands|Islas Turcas y Caicos
AI AIA CA Anguilla|Anguila
MS MSR CA Montserrat
CO COL SA Colombia|Kolumbien
VE VEN SA Venezuela|República Bolivariana de Venezuela
EC ECU SA Ecuador
PE PER SA Peru|Perú
BO BOL SA Bolivia|Estado Plurinacional de Bolivia
CL CHL SA Chile
AR ARG SA Argentina|Argentinien|República Argentina
UY URY SA Uruguay
PY PRY SA Paraguay
BR BRA SA Brazil|Brasil|Brasilien|Brésil
GY GUY SA Guyana
SR SUR SA Suriname|Surinam
GF GUF SA French Guiana|Guayana Francesa|Guyane
FK FLK SA Falkland Islands|Islas Malvinas|Malvinas
MA MAR ME Morocco|Marruecos|Maroc|المغرب|al-Maghrib
DZ DZA ME Algeria|Argelia|Algérie|الجزائر
TN TUN ME Tunisia|Túnez|Tunisie|تونس
LY LBY ME Libya|Libia|ليبيا
EG EGY ME Egypt|Egipto|مصر
EH ESH ME Western Sahara|Sáhara Occidental|Sahara
MR MRT ME Mauritania
SD SDN ME Sudan|Sudán
TR TUR ME Turkey|Turquía|Türkiye
IL ISR ME Israel|ישראל
PS PSE ME Palestine|Palestina|Palestinian Territories|Territorios Palestinos
LB LBN ME Lebanon|Líbano|لبنان
SY SYR ME Syria|Siria|سوريا
JO JOR ME Jordan|Jordania|الأردن
IQ IRQ ME Iraq|Irak|العراق
IR IRN ME Iran|Irán|ایران|Islamic Republic of Iran
SA SAU ME Saudi Arabia|Arabia Saudí|Arabia Saudita|KSA|السعودية|المملكة العربية السعودية
AE ARE ME United Arab Emirates|Emiratos Árabes Unidos|UAE|EAU|Emirates|Emiratos|الإمارات
QA QAT ME Qatar|Catar|قطر
KW KWT ME Kuwait|الكويت
BH BHR ME Bahrain|Baréin|Bahréin|البحرين
OM OMN ME Oman|Omán|عمان
YE YEM ME Yemen|اليمن
NG NGA AF Nigeria
GH GHA AF Ghana
CI CIV AF Côte d'Ivoire|Ivory Coast|Costa de Marfil
SN SEN AF Senegal|Sénégal
ML MLI AF Mali|Malí
BF BFA AF Burkina Faso
NE NER AF Niger|Níger
TD TCD AF Chad|Tchad
CM CMR AF Cameroon|Camerún|Cameroun
GA GAB AF Gabon|Gabón
CG COG AF Congo|Republic of the Congo|República del Congo|Congo - Brazzaville|Congo Brazzaville
CD COD AF Democratic Republic of the Congo|The Democratic Republic of Congo|República Democrática del Congo|DRC|RDC
CD COD AF DR Congo|Congo - Kinshasa|Congo Kinshasa
CF CAF AF Central African Republic|República Centroafricana
GQ GNQ AF Equatorial Guinea|Guinea Ecuatorial
ST STP AF São Tomé and Príncipe|Sao Tome & Principe|Santo Tomé y Príncipe
CV CPV AF Cape Verde|Cabo Verde
GM GMB AF Gambia
GN GIN AF Guinea
GW GNB AF Guinea-Bissau|Guinea-Bisáu
SL SLE AF Sierra Leone|Sierra Leona
LR LBR AF Liberia
TG TGO AF Togo
BJ BEN AF Benin|Benín|Bénin
ET ETH AF Ethiopia|Etiopía
ER ERI AF Eritrea
DJ DJI AF Djibouti|Yibuti
SO SOM AF Somalia|Soomaaliya
SS SSD AF South Sudan|Sudán del Sur
KE KEN AF Kenya|Kenia
UG UGA AF Uganda
RW RWA AF Rwanda|Ruanda
BI BDI AF Burundi
TZ TZA AF Tanzania|United Republic of Tanzania
MZ MOZ AF Mozambique|Moçambique
MW MWI AF Malawi|Malaui
ZM ZMB AF Zambia
ZW ZWE AF Zimbabwe|Zimbabue
AO AGO AF Angola
NA NAM AF Namibia
BW BWA AF Botswana|Botsuana
ZA ZAF AF South Africa|Sudáfrica|RSA
LS LSO AF Lesotho|Lesoto
SZ SWZ AF Eswatini|Swaziland|Suazilandia|Esuatini
MG MDG AF Madagascar
MU MUS AF Mauritius|Mauricio
SC SYC AF Seychelles
KM COM AF Comoros|Comoras|Comores
YT MYT AF Mayotte
RE REU AF Réunion|Reunión
SH SHN AF Saint Helena|Santa Helena|St Helena|Santa Elena|Santa Elena, Ascensión y Tristán de Acuña
IN IND AS India|Bharat|भारत
PK PAK AS Pakistan|Pakistán|Paquistán
BD BGD AS Bangladesh|Bangladés|Bangladech
LK LKA AS Sri Lanka
NP NPL AS Nepal
BT BTN AS Bhutan|Bután
MV MDV AS Maldives|Maldivas
AF AFG AS Afghanistan|Afganistán
KZ KAZ AS Kazakhstan|Kazajistán|Kazajstán|Қазақстан
UZ UZB AS Uzbekistan|Uzbekistán|Oʻzbekiston
KG KGZ AS Kyrgyzstan|Kirguistán|Kirguizistán
TJ TJK AS Tajikistan|Tayikistán
TM TKM AS Turkmenistan|Turkmenistán
CN CHN EA China|中国|中國|PRC|People's Republic of China|República Popular China
HK HKG EA Hong Kong|香港|Hong Kong SAR China|RAE de Hong Kong (China)|Hong Kong SAR
MO MAC EA Macao|Macau|澳門|Macao SAR China|RAE de Macao (China)
TW TWN EA Taiwan|Taiwán|台灣|臺灣
JP JPN EA Japan|Japón|日本|Nippon|Nihon
KR KOR EA South Korea|Corea del Sur|Korea|Corea|Republic of Korea|República de Corea|대한민국|한국
KP PRK EA North Korea|Corea del Norte
MN MNG EA Mongolia
SG SGP EA Singapore|Singapur|Singapura
MY MYS EA Malaysia|Malasia
ID IDN EA Indonesia
TH THA EA Thailand|Tailandia|ประเทศไทย|ไทย
VN VNM EA Vietnam|Viet Nam|Việt Nam
PH PHL EA Philippines|Filipinas|Pilipinas
KH KHM EA Cambodia|Camboya
LA LAO EA Laos|Lao
MM MMR EA Myanmar|Birmania|Burma|Myanmar (Burma)|Myanmar (Birmania)
BN BRN EA Brunei|Brunéi
TL TLS EA Timor-Leste|East Timor|Timor Oriental
AU AUS OC Australia|Australien|Australie
NZ NZL OC New Zealand|Nueva Zelanda|Nueva Zelandia|Aotearoa
FJ FJI OC Fiji|Fiyi
PG PNG OC Papua New Guinea|Papúa Nueva Guinea
SB SLB OC Solomon Islands|Islas Salomón
VU VUT OC Vanuatu
NC NCL OC New Caledonia|Nueva Caledonia
PF PYF OC French Polynesia|Polinesia Francesa
WS WSM OC Samoa
TO TON OC Tonga
KI KIR OC Kiribati
TV TUV OC Tuvalu
NR NRU OC Nauru
PW PLW OC Palau|Palaos
FM FSM OC Micronesia
MH MHL OC Marshall Islands|Islas Marshall
GU GUM OC Guam
MP MNP OC Northern Mariana Islands|Islas Marianas del Norte
AS ASM OC American Samoa|Samoa Americana
CK COK OC Cook Islands|Islas Cook
NU NIU OC Niue
TK TKL OC Tokelau
WF WLF OC Wallis and Futuna|Wallis & Futuna|Wallis y Futuna
NF NFK OC Norfolk Island|Isla Norfolk
CX CXR OC Christmas Island|Isla de Navidad|Isla Christmas
CC CCK OC Cocos Islands|Cocos (Keeling) Islands|Islas Cocos
IO IOT AS British Indian Ocean Territory|Territorio Británico del Océano Índico
"""

_LONGEST = 100
_NOT_LETTERS = re.compile(r"[\W_]+")
_ARTICLES = ("the ", "el ", "la ", "los ", "las ", "les ", "die ")


def country_of(text: str) -> str | None:
    """The ISO code of two letters, or None."""
    return _read(text)[0]


def region_of(text: str) -> float:
    """The place of a country's region in `REGIONS`: 0 for a text that names none, NaN for one without a letter."""
    return _read(text)[1]


@lru_cache(maxsize=8_192)
def _read(text: str) -> tuple[str | None, float]:
    name = _plain(text[:_LONGEST])
    known = _table()
    code = known.get(name) or known.get(name.partition(" sar ")[0])
    if code is None:
        code = next((known[name.removeprefix(article)] for article in _ARTICLES if name.removeprefix(article) in known), None)
    if code is None:
        return None, 0.0 if name else math.nan
    return code, float(_REGION_CODES.index(_regions()[code]))


def _plain(text: str) -> str:
    """As compared: points vanish ("U.S.A."), what else parts words is a space."""
    return _NOT_LETTERS.sub(" ", plain(text.replace(".", "").replace("&", " and "))).strip()


@lru_cache(maxsize=1)
def _table() -> Mapping[str, str]:
    """Every code and name, as compared, to the code. A code wins over a name that is written alike."""
    found: dict[str, str] = {}
    for row in _COUNTRIES.strip().splitlines():
        two, three, _, names = row.split(" ", 3)
        found |= dict.fromkeys((_plain(name) for name in (*names.split("|"), three)), two)
    found |= {two.lower(): two for two in _regions()}
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def _regions() -> Mapping[str, str]:
    return MappingProxyType({row[:2]: row[7:9] for row in _COUNTRIES.strip().splitlines()})
