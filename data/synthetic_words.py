"""The vocabulary of the simulated world: what its people, companies, pages and answers are called.

Constants only, in English and Spanish. Every company lives under the reserved `.example` domain; the only real
domains are those of well-known free mailbox providers.
"""

from __future__ import annotations

__all__: list[str] = []

INDUSTRIES = (
    "Software",
    "Manufacturing",
    "Transportation & Logistics",
    "Retail",
    "Financial Services",
    "Healthcare",
    "Education",
    "Professional Services",
)

COUNTRIES = ("ES", "MX", "CO", "US", "GB", "DE")
COUNTRY_SHARES = (0.36, 0.15, 0.08, 0.20, 0.12, 0.09)
SPANISH_COUNTRIES = 3
"""The first so many of COUNTRIES speak Spanish."""
PLACES: tuple[tuple[tuple[str, str], ...], ...] = (
    (("Madrid", "Madrid"), ("Cataluña", "Barcelona"), ("Valencia", "Paterna")),
    (("CDMX", "Ciudad de México"), ("Jalisco", "Guadalajara")),
    (("Cundinamarca", "Bogotá"),),
    (("California", "San Jose"), ("Texas", "Austin")),
    (("England", "Leeds"),),
    (("Bayern", "München"),),
)
PHONE_PREFIXES = ("+34 9", "+52 55 ", "+57 60", "+1 512 ", "+44 20 ", "+49 89 ")

FIRST_NAMES = (
    ("Lucia", "f", "es"), ("Marta", "f", "es"), ("Carmen", "f", "es"), ("Elena", "f", "es"), ("Paula", "f", "es"),
    ("Sofía", "f", "es"), ("Nuria", "f", "es"), ("Valentina", "f", "es"), ("Javier", "m", "es"), ("Diego", "m", "es"),
    ("Andrés", "m", "es"), ("Pablo", "m", "es"), ("Luis", "m", "es"), ("Héctor", "m", "es"), ("Iker", "m", "es"),
    ("Mateo", "m", "es"), ("Emma", "f", "en"), ("Olivia", "f", "en"), ("Grace", "f", "en"), ("Hannah", "f", "en"),
    ("Claire", "f", "en"), ("Priya", "f", "en"), ("Julia", "f", "en"), ("Ruth", "f", "en"), ("James", "m", "en"),
    ("Oliver", "m", "en"), ("Tom", "m", "en"), ("Daniel", "m", "en"), ("Lukas", "m", "en"), ("Pierre", "m", "en"),
    ("Samuel", "m", "en"), ("Arjun", "m", "en"),
)  # fmt: skip
LAST_NAMES = (
    "Ferrer", "García", "Ortega", "Molina", "Ruiz", "Serrano", "Vidal", "Campos", "Herrera", "Navarro", "Ibarra", "Peña",
    "Rojas", "Castaño", "Smith", "Walker", "Baker", "Hughes", "Novak", "Fischer", "Laurent", "Patel", "Murphy", "Bennett",
    "Clarke", "Weber", "Moreau", "Reed",
)  # fmt: skip

# A company's name is its number written in syllables, so that no two companies share a domain.
SYLLABLES = (
    "ba", "be", "bo", "ca", "co", "da", "de", "do", "fa", "fe", "ga", "go", "la", "le", "li", "lo", "lu", "ma", "me", "mi", "mo", "na",
    "ne", "ni", "no", "pa", "pe", "po", "ra", "re", "ri", "ro", "sa", "se", "si", "so", "ta", "te", "ti", "to", "va", "ve", "vi", "za",
)  # fmt: skip
COMPANY_KINDS = ("logistica", "systems", "foods", "labs", "energia", "retail", "consulting", "motors", "textil", "health")
LEGAL_FORMS_ES = ("S.L.", "S.A.", "S.A. de C.V.", "SLU", "")
LEGAL_FORMS_EN = ("Ltd", "Inc.", "LLC", "GmbH", "Group", "")
FREE_MAIL = ("gmail.com", "hotmail.com", "yahoo.es", "outlook.com", "icloud.com")
DISPOSABLE_MAIL = ("mailinator.com", "yopmail.com", "guerrillamail.com")
ROLE_BOXES = ("info", "sales", "contacto", "admin", "office", "compras")
EMAIL_KINDS = ("corporate", "free", "disposable", "role")

SOURCES = ("organic_search", "paid_search", "paid_social", "referral", "partner", "event", "list_import", "direct", "ai_assistant")
MEDIUMS = ("organic", "cpc", "paid_social", "referral", "partner", "event", "import", "none", "ai")
CAMPAIGNS: tuple[tuple[str | None, ...], ...] = (
    (None,),
    ("brand", "crm-alternatives"),
    ("social-ebook", "social-retargeting"),
    (None,),
    ("partner-days",),
    ("expo-madrid",),
    ("cold-list",),
    (None,),
    (None,),
)

CRMS = ("Salesforce", "HubSpot", "Pipedrive", "Odoo", "Excel", "none")
INTERESTS = ("forecasting", "automation", "reporting", "integrations", "compliance")

SENIORITIES = ("intern or student", "individual", "manager", "director", "vice president or chief", "unknown")
FUNCTIONS = ("sales", "operations", "finance", "technology", "marketing")
# By seniority, then by function: (English, Spanish for her, Spanish for him).
TITLES: tuple[tuple[tuple[str, str, str], ...], ...] = (
    (
        ("Sales Intern", "Becaria comercial", "Becario comercial"),
        ("Student", "Estudiante", "Estudiante"),
        ("Finance Trainee", "Becaria de finanzas", "Becario de finanzas"),
        ("Junior Intern, IT", "Alumna en prácticas", "Alumno en prácticas"),
        ("Marketing Intern", "Becaria de marketing", "Becario de marketing"),
    ),
    (
        ("Account Executive", "Ejecutiva de cuentas", "Ejecutivo de cuentas"),
        ("Operations Analyst", "Analista de operaciones", "Analista de operaciones"),
        ("Accountant", "Contable", "Contable"),
        ("Software Engineer", "Ingeniera de software", "Ingeniero de software"),
        ("Marketing Specialist", "Técnica de marketing", "Técnico de marketing"),
    ),
    (
        ("Sales Manager", "Jefa de ventas", "Jefe de ventas"),
        ("Operations Manager", "Responsable de operaciones", "Responsable de operaciones"),
        ("Finance Manager", "Jefa de administración", "Jefe de administración"),
        ("IT Manager", "Responsable de sistemas", "Responsable de sistemas"),
        ("Marketing Manager", "Gerente de marketing", "Gerente de marketing"),
    ),
    (
        ("Head of Sales", "Directora comercial", "Director comercial"),
        ("Director of Operations", "Directora de Operaciones", "Director de Operaciones"),
        ("Finance Director", "Directora financiera", "Director financiero"),
        ("IT Director", "Directora de sistemas", "Director de sistemas"),
        ("Director of Marketing", "Directora de marketing", "Director de marketing"),
    ),
    (
        ("VP Sales", "Vicepresidenta de ventas", "Vicepresidente de ventas"),
        ("Chief Operating Officer", "Directora general", "Director general"),
        ("CFO", "Consejera delegada", "Consejero delegado"),
        ("CTO", "Socia fundadora", "Socio fundador"),
        ("CEO & Founder", "Fundadora y CEO", "Fundador y CEO"),
    ),
)
ABBREVIATIONS = (
    ("Director ", "Dir. "), ("Directora ", "Dtra. "), ("Manager", "Mgr"), ("Responsable", "Resp."), ("Operations", "Ops"),
    ("Chief Operating Officer", "COO"), ("Software Engineer", "SW Eng."), ("Ejecutiv", "Ejec. "), ("Marketing", "Mktg"),
)  # fmt: skip

# Page topics, each with its English and its Spanish paths.
TOPICS = ("home", "blog", "docs", "integrations", "pricing", "comparison", "demo", "customers", "careers", "legal", "login")
PATHS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("/", "/product"), ("/es", "/producto")),
    (("/blog/pipeline", "/blog/lead-scoring", "/blog/sales-forecast"), ("/blog/embudo", "/blog/ventas-b2b")),
    (("/docs/getting-started", "/docs/api", "/docs/integrations/hubspot"), ("/docs/primeros-pasos", "/docs/api")),
    (("/integrations", "/integrations/salesforce"), ("/integraciones", "/integraciones/odoo")),
    (("/pricing", "/pricing/enterprise"), ("/precios", "/precios/empresa")),
    (("/comparison/acme-crm", "/comparison/spreadsheets"), ("/comparativa/acme-crm", "/comparativa/hojas-de-calculo")),
    (("/demo",), ("/demo", "/solicitar-demo")),
    (("/customers", "/customers/logistics"), ("/clientes", "/casos-de-exito")),
    (("/careers", "/careers/engineer"), ("/empleo",)),
    (("/legal", "/privacy"), ("/aviso-legal",)),
    (("/login",), ("/login",)),
)

CONTENTS_FORM = ("whitepaper-forecasting", "ebook-automation", "checklist-crm", "guia-ventas", "roi-calculator")
CONTENTS_WEBINAR = ("forecasting-101", "automation-live", "webinar-ventas")
EMAIL_CAMPAIGNS = ("nurture-q1", "nurture-q2", "nurture-q3", "nurture-q4")

BANT_FIELDS = ("budget", "authority", "need", "timeline")
# By field, then by level (0 against, 1 vague, 2 in favour): English and Spanish ways to say it.
ANSWERS: tuple[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], ...] = (
    (
        (("no budget", "none"), ("sin presupuesto", "no hay presupuesto")),
        (("not defined yet", "under 5000"), ("por definir", "menos de 5000")),
        (("approved", "20000 EUR", "budget approved"), ("aprobado", "30000 EUR", "presupuesto aprobado")),
    ),
    (
        (("not involved", "just researching"), ("no participo", "solo investigo")),
        (("I recommend", "my manager decides"), ("recomiendo", "decide mi jefe")),
        (("I decide", "decision maker"), ("decido yo", "soy quien decide")),
    ),
    (
        (("no need", "just curious"), ("ninguna", "curiosidad")),
        (("nice to have", "exploring options"), ("estaría bien", "explorando opciones")),
        (("urgent", "must replace spreadsheets", "critical"), ("urgente", "reemplazar excel", "crítico")),
    ),
    (
        (("no plans", "not planned"), ("sin planes", "sin fecha")),
        (("next year", "in 12 months"), ("el año que viene", "en 12 meses")),
        (("this month", "next quarter", "in 3 months"), ("este mes", "próximo trimestre", "en 3 meses")),
    ),
)

LOST_REASONS = ("no response", "competitor", "no budget", "timing", "not a fit")
OWNERS = ("ana.soto", "ben.cole", "clara.diaz", "david.kim", "eva.luna", "frank.ost")
