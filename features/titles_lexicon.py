"""The words of job titles in English, Spanish, Portuguese, French and German: what each says of rank and of function, as data.

Words are in lower case and without accents, as `features/titles.py` compares them (ß is ss). `{a,b}` stands for a or b,
`|` parts words, a space parts the words of a phrase; of the phrases that fit, the longest counts. A function with `~`
before it gives way to one without: a founder is general management, unless the title says what else she leads.
"""

from __future__ import annotations

__all__ = ["ABBREVIATIONS", "ASSISTED", "COMPOUND_HEADS", "FUNCTIONS", "MARKS", "NEUTRAL", "ONLY_ALONE", "PREFIXES", "RANKS"]

RANKS: tuple[tuple[str, str, str], ...] = (
    # ---- owners
    (
        "owner",
        "~general",
        """
            owner{,s}|business owner{,s}|{,co }founder{,s}|cofounder{,s}|founding partner|managing partner|general partner|
            equity partner|propriet{or,ress}|proprietaire{,s}|proprietari{o,a,os,as}|propietari{o,a,os,as}|duen{o,a,os,as}|
            don{o,a}|patron{,ne}|titular|{,co}fundador{,a,es,as}|{,co}fondat{eur,rice,eurs}|{,mit}grunder{,in,innen}|
            inhaber{,in}|eigentumer{,in}|firmeninhaber{,in}|{,mit}gesellschafter{,in}|
            geschaftsfuhrende{,r} {,mit}gesellschafter{,in}|soci{o,a,os,as}|associe{,e,es} gerant{,e}|associe{,e,s,es}|
            gerant{,e} associe{,e}|entrepreneur{,e}|auto entrepreneur{,e}|chef{,fe} d entreprise|emprendedor{,a}|
            empreendedor{,a}|empresari{o,a}|unternehmer{,in}|kaufmann selbstandig|shareholder|accionista|acionista|actionnaire|
            teilhaber{,in}|chair{,man,woman,person}|chairman and chief executive officer
        """,
    ),
    ("owner", "~general", "president{,e,a}|prasident{,in}|presidente{,s}"),
    # ---- the C-suite
    (
        "c_level",
        "general",
        """
            ceo|cxo|chief executive{, officer}|pdg|dg|president{,e} direct{eur,rice} general{,e}|consejer{o,a} delegad{o,a}|
            administrador{,a} delegad{o,a}|vorstandsvorsitzende{,r}|vorsitzende{,r} {der geschaftsfuhrung,des vorstands}|
            vorstandssprecher{,in}|delegue{,e} general{,e}|administrat{eur,rice} delegue{,e}|director{,a} gerente|
            presidente executiv{o,a}|presidente ejecutiv{o,a}
        """,
    ),
    (
        "c_level",
        "~general",
        """
            general manager|gm|managing director|director{,a} general|director{,a} ejecutiv{o,a}|executive director|
            gerente{,a} general|gerenta general|direct{eur,rice} general{,e}|direct{eur,rice} executi{f,ve}|gerant{,e}|
            diretor{,a} geral|diretor{,a} executiv{o,a}|diretor{,a} presidente|gerente geral|
            administrador{,a} {unico,unica,general}|direccion general|gerencia general|direction generale|
            geschaftsfuhrer{,in,innen}|geschaftsfuhrung|geschaftsfuhrend{e,er}|geschaftsleit{er,erin,ung}|gf|gl|
            hauptgeschaftsfuhrer{,in}|generaldirektor{,in}|vorstand|vorstand{in,smitglied}|
            mitglied {der,des} {geschaftsleitung,geschaftsfuhrung,vorstands,vorstandes}|mitglied des executive committee|
            membre du directoire|membre du comex|secretari{o,a} general|secretari{o,a} geral|secretaire general{,e}|
            secretary general|generalsekretar{,in}|member of the {executive,management} board|gerente propietario|
            betriebsinhaber{,in}
        """,
    ),
    ("c_level", "unknown", "chief|c level|cso|cco|chief officer"),
    ("c_level", "finance", "cfo|finanzvorstand|finanzchef{,in}"),
    ("c_level", "it", "cto|cio|ciso|cdo|cito|caio|chief {information,digital}"),
    ("c_level", "marketing", "cmo"),
    ("c_level", "operations", "coo|csco|chief operating|delivery chief"),
    ("c_level", "product", "cpo"),
    ("c_level", "hr", "chro|personalvorstand|arbeitsdirektor{,in}"),
    ("c_level", "sales", "cro|cbo|chief commercial|vertriebsvorstand"),
    ("c_level", "legal", "clo"),
    # ---- vice presidents
    (
        "vp",
        "unknown",
        """
            {,s,e,a,r,g,j,as,sr}vp|vice president{,e,a,es,s}|vicepresident{,e,a}|vice presidencia|vizeprasident{,in}|
            viceprasident{,in}|vicepres|vicepresidencia|vice chair{,man,woman}
        """,
    ),
    # ---- directors
    (
        "director",
        "unknown",
        """
            director{,a,as,es,s}|directriz|diretor{,a,as,es}|direct{eur,rice,eurs,rices}|direktor{,in}|directiv{o,a}|direccion|
            diretoria|direction|head|head of|leiter{,in,innen}|leitung|bereichsleit{er,erin,ung}|hauptabteilungsleit{er,erin}|
            ressortleit{er,erin}|regionalleit{er,erin}|prokurist{,in}|board member|member of the board|board of directors|
            beirat|aufsichtsrat|consejer{o,a}|conselheir{o,a}|administrateur|administratrice|miembro del consejo|
            non executive director|comite de {direccion,direction}|chief {architect,engineer,economist,scientist}|dean|
            rektor{,in}|subdireccion
        """,
    ),
    (
        "director",
        "~general",
        """
            chief of staff|dga|country {director,head}|regional director|jef{e,a} de gabinete|direct{eur,rice} de cabinet|
            stabschef{,in}|chefe de gabinete|direct{eur,rice} d agence|niederlassungsdirektor{,in}
        """,
    ),
    ("director", "it", "dsi|rssi groupe"),
    ("director", "finance", "daf|raf|cfo adjoint|controlling director"),
    ("director", "hr", "drh"),
    ("director", "marketing", "dircom|art director|creative director|direct{eur,rice} artistique|director{,a} de arte"),
    ("director", "legal", "general counsel|company secretary|chefsyndikus|syndikus"),
    ("director", "sales", "dirco|directorcomercial"),
    ("director", "operations", "direct{eur,rice} {de site,industriel,industrielle}|werksdirektor{,in}"),
    # ---- managers
    (
        "manager",
        "unknown",
        """
            manager{,s,in,innen}|manger|mngr|gerente{,s}|gerent{a,as}|gerencia|jef{e,a,es,as}|jefatura|chef{,s,fe,fes,in,e}|
            responsable{,s}|responsavel|encargad{o,a}|encarregad{o,a}|coordinador{,a,es}|coordenador{,a}|coordinat{or,eur,rice}|
            koordinator{,in}|supervisor{,a,es}|superviseur{,e}|gestor{,a}|teamleit{er,erin,ung}|team {lead,leader}|
            teamlead{,er}|teamlead{erin}|gruppenleit{er,erin}|projektleit{er,erin,ung}|projektmanager{,in}|
            abteilungsleit{er,erin,ung}|abteilungsdirektor{,in}|leader|lider|leiterin stv|capataz|contremaitre|foreman|polier|
            meister{,in}|verantwortlich{e,er}|bevollmachtigt{e,er}|handlungsbevollmachtigt{e,er}|leitend{e,er} angestellt{e,er}|
            superintendent|controller manager|scrum master|chef{,fe} d equipe|chef{,fe} de service|manageuse|
            dirigeante intermediaire|officer in charge|filialleit{er,erin}|bauleit{er,erin}|branch manager|store manager|
            restaurant manager|delegad{o,a}|teamchef{,in}
        """,
    ),
    ("manager", "~general", "country manager|niederlassungsleit{er,erin}|site manager|dirigente|business manager"),
    (
        "manager",
        "product",
        """
            product owner|po|{chef,cheffe} de produit{,s}|chef produit|gerente de producto|jef{e,a} de producto|
            gerente de produto{,s}|produktverantwortlich{e,er}
        """,
    ),
    (
        "manager",
        "sales",
        """
            kam|bdm|account manager|key account|partner manager|area sales manager|{chef,cheffe} de secteur|
            gebietsleit{er,erin}|gebietsverkaufsleit{er,erin}|asm|regionalverkaufsleit{er,erin}|gerente de cuenta{,s}|
            gerente de conta{,s}|gestor{,a} de conta{,s}|gestor{,a} de cuenta{,s}
        """,
    ),
    ("manager", "support", "csm|serviceleit{er,erin}"),
    ("manager", "marketing", "pmm|chef de publicite|community manager|chef de rayon marketing"),
    ("manager", "hr", "rrh|ausbildungsleit{er,erin}"),
    ("manager", "it", "rssi|tech lead|technical lead|engineering team lead"),
    ("manager", "engineering", "engineering manager"),
    ("manager", "finance", "chef{,fe} comptable|chief accountant|contador general|{financial,finance} controller"),
    (
        "manager",
        "operations",
        """
            plant manager|jef{e,a} de planta|chef{,fe} d atelier|werkstattleit{er,erin}|schichtleit{er,erin}|werkleit{er,erin}|
            werksleit{er,erin}|lagerleit{er,erin}|betriebsleit{er,erin}|schichtfuhrer{,in}|vorarbeiter{,in}|
            jef{e,a} de {obra,taller,turno}|{chef,cheffe} de chantier|conducteur de travaux
        """,
    ),
    ("manager", "administration", "office manager{,in}"),
    # ---- senior people without a team
    (
        "senior",
        "unknown",
        """
            specialist{,s}|especialista{,s}|specialiste|spezialist{,in}|expert{,e,o,a,in,s}|perit{o,a}|consultant{,s,e,es,in}|
            consultor{,a,es,as}|advis{or,er}|asesor{,a}|assessor{,a}|berater{,in}|unternehmensberater{,in}|principal|conseil|
            fellow|sme|coach|staff {engineer,developer,scientist}|leitend{e,er} {ingenieur,ingenieurin}|hauptingenieur{,in}
        """,
    ),
    ("senior", "~engineering", "architect{,s,e}|architecte{,s}|arquitect{o,a}|arquitet{o,a}|architekt{,in}"),
    (
        "senior",
        "it",
        """
            {solution,solutions,software,cloud,enterprise,system,systems} architect|architecte logiciel|softwarearchitekt{,in}
        """,
    ),
    ("senior", "it", "arquitet{o,a} de solucoes|arquitect{o,a} de soluciones|staff software engineer"),
    # ---- staff
    (
        "staff",
        "unknown",
        """
            staff|analyst{,e,in,s}|analista{,s}|officer{,s}|agent{,e,s,in}|representative{,s}|representant{,e,es}|operator|
            administrador{,a}|operador{,a}|operat{eur,rice}|mitarbeiter{,in}|sachbearbeiter{,in}|referent{,in}|beauftragt{e,er}|
            angestellt{e,er}|fachkraft|kaufmann|kauffrau|betreuer{,in}|planer{,in}|charge{,e,es}|conseiller{,e}|
            gestionnaire{,s}|emplead{o,a}|employe{,e}|funcionari{o,a}|trabajador{,a}|coordinatrice junior|associate analyst|
            pleno|clerk|trainer{,in}|formador{,a}|format{eur,rice}|capacitador{,a}|teacher|profesor{,a}|professor{,a}|
            professeur{,e}|lehrer{,in}|planner{,s}|planificador{,a}|animateur|animatrice|worker|obrer{o,a}|operari{o,a}|
            ouvrier{,e}|arbeiter{,in}|facharbeiter{,in}|delegue{,e}|verificateur|inspector{,a}|inspet{or,ora}|inspect{eur,rice}|
            prufer{,in}|gutachter{,in}|redakteur{,in}|member|nurse|doctor{,a}|physician|medic{o,a}|medecin|arzt|arztin|
            enfermer{o,a}|infirmier{,e}|pharmacist|farmaceutic{o,a}|apotheker{,in}
        """,
    ),
    (
        "staff",
        "~engineering",
        """
            engineer{,s}|ingenier{o,a,os,as}|engenheir{o,a}|ingenieur{,e,s,es,in}|technician{,s}|techniker{,in}|technicien{,ne}|
            mechaniker{,in}|konstrukteur{,in}|scientist|cientifico|cientista|wissenschaftler{,in}|researcher|investigador{,a}|
            pesquisador{,a}|chercheu{r,se}|forscher{,in}|zeichner{,in}|dessinat{eur,rice}|projeteur|delineante|projetista|
            proyectista|designer industriel
        """,
    ),
    (
        "staff",
        "it",
        """
            developer{,s}|programmer|desarrollador{,a,es}|desenvolvedor{,a}|programador{,a,es}|developpeu{r,rs,se,ses}|
            programmeur|programmierer{,in}|entwickler{,in}|sysadmin|sre|devops|dba|
            administrador{,a} de {sistemas,redes,bases de datos}|administrat{eur,rice} {systeme,systemes,reseau,reseaux}|
            fachinformatiker{,in}|informatiker{,in}|informaticien{,ne}|system administrator|systems administrator|coder|
            webmaster|tester|data scientist|cientifico de datos|cientifica de datos|cientista de dados
        """,
    ),
    (
        "staff",
        "sales",
        """
            account executive|ae|sdr|bdr|salesperson|sales{man,woman}|sales rep|seller|vendedor{,a,es}|vendeu{r,se}|
            verkaufer{,in}|ejecutiv{o,a} de cuentas|executiv{o,a} de contas|technico commercial{,e}|charge{,e} d affaires|
            ingenieur{,e} d affaires|attache{,e} commercial{,e}|aussendienstler{,in}|handelsvertreter{,in}|vertriebler{,in}|
            vertreter{,in}|delegad{o,a} comercial|promotor{,a} de ventas|promotor{,a} de vendas|asesor{,a} comercial|
            conseil{ler,lere} {commercial,commerciale,de vente}|telemarketer|teleoperador{,a} de ventas
        """,
    ),
    (
        "staff",
        "purchasing",
        """
            buyer{,s}|purchaser|comprador{,a,es}|acheteu{r,se}|einkaufer{,in}|approvisionneu{r,se}|aprovisionador{,a}|
            disponent einkauf
        """,
    ),
    (
        "staff",
        "finance",
        """
            accountant{,s}|bookkeeper|contable{,s}|contador{,a}|contador{,a} public{o,a}|contabilista|comptable{,s}|
            buchhalter{,in}|controller{,s}|controleu{r,se} de gestion|controlleur|auditor{,a}|audit{eur,rice}|
            steuerberater{,in}|steuerfachangestellt{e,er}|treasurer|tesorer{o,a}|tesoureir{o,a}|tresorier{,e}|cajer{o,a}|
            kassierer{,in}|wirtschaftsprufer{,in}|analista contabil|bilanzbuchhalter{,in}|actuary|actuari{o,a}|
            bankkauf{mann,frau}
        """,
    ),
    (
        "staff",
        "legal",
        """
            lawyer{,s}|attorney|solicitor|paralegal|abogad{o,a,os}|advogad{o,a}|avocat{,e}|juriste{,s}|jurist{,in}|anwalt|
            anwaltin|rechtsanwalt|rechtsanwaltin|jurista|notar{,in}|notari{o,a}|notaire|counsel|procurador{,a}|dpo|
            data protection officer|datenschutzbeauftragt{e,er}|delegad{o,a} de proteccion de datos
        """,
    ),
    (
        "staff",
        "marketing",
        """
            copywriter|redactor{,a}|redat{or,ora}|redact{eur,rice}|designer{,s,in}|graphic designer|disenador{,a}|
            disenador{,a} graphic{o,a}|graphiste|grafiker{,in}|journalist{,e,in}|periodista|jornalista|editor{,a}|fotograf{o,a}|
            publicista|publicitari{o,a}|marketer|mediengestalter{,in}|influencer|web designer
        """,
    ),
    (
        "staff",
        "product",
        """
            {ux,ui,product} designer|ux ui designer|ui ux designer|disenador{,a} {ux,ui,de producto}|{ux,ui} {researcher,writer}
        """,
    ),
    (
        "staff",
        "hr",
        """
            recruiter{,in}|headhunter|reclutador{,a}|recrutador{,a}|recruteu{r,se}|talent partner|people partner|
            hr {business,} partner|hrbp|payroll clerk|personalreferent{,in}|personaler{,in}|personalsachbearbeiter{,in}|
            selezionador
        """,
    ),
    (
        "staff",
        "operations",
        """
            disponent{,in}|lagerist{,in}|almacenista|almacener{o,a}|magasinier{,e}|fahrer{,in}|driver|chauffeur|conductor{,a}|
            motorista|camioner{o,a}|logisticien{,ne}|repartidor{,a}|dispatcher|mozo de almacen|cariste|hausmeister{,in}|
            staplerfahrer{,in}|logistiker{,in}|mechanic|mecanic{o,a}|mecanicien{,ne}|electrician|electricista|electricien{,ne}|
            eletricista|elektriker{,in}|welder|soldador{,a}|schlosser{,in}|schweisser{,in}|cocinero|cook
        """,
    ),
    (
        "staff",
        "support",
        """
            kundenberater{,in}|kundenbetreuer{,in}|teleoperador{,a}|conseil{ler,lere} {client,clientele}|call center agent|tam|
            servicetechniker{,in}
        """,
    ),
    (
        "staff",
        "administration",
        """
            receptionist{,in}|receptionniste|recepcionista|rezeptionist{,in}|office administrator|burokauf{mann,frau}|archivist|
            oficinista|administrator|kauf{mann,frau} fur buromanagement|verwaltungsangestellt{e,er}|
            verwaltungsfachangestellt{e,er}|administrativ{o,a} contable
        """,
    ),
)
"""Rank, function, and who holds it. The highest of a title counts."""

ONLY_ALONE: tuple[tuple[str, str, str], ...] = (
    (
        "owner",
        "~general",
        """
            partner{,in}|freelance{,r,rs,rin}|autonom{o,a}|self employed|independiente|independant{,e}|selb{,st}standig{,e,er}
        """,
    ),
    (
        "staff",
        "unknown",
        """
            executive{,s}|ejecutiv{o,a,os}|executiv{o,a,os}|rep|practitioner|
            {business,channel,solution,solutions,implementation,delivery,technology} partner
        """,
    ),
    ("staff", "~engineering", "tecnic{o,a,os}"),
    (
        "staff",
        "sales",
        """
            comercial{,es}|commercial{,e,es}|commerciaux|{sales,partner} partner|sales|ventas|vendas|vertrieb|aussendienst|
            innendienst
        """,
    ),
    ("staff", "administration", "administrativ{o,a,os}|administratif|administrative"),
)
"""Ranks that count only where nothing else in that part of the title is one: a "Partner" owns, a "Partner Manager" does not."""

MARKS: dict[str, str] = {
    "student": """
        student{,s,e,in}|studierend{e,er}|estudiante{,s}|estudante{,s}|etudiant{,e,s,es}|intern{,s}|internship|becari{o,a,os}|
        trainee{,s}|bolsista|practicante|alumn{o,a,os}|alumn{o,a} en practicas|en practicas|practicas|pasante|pasantia|
        estagiari{o,a}|estagio|stagiaire|stage|praktikant{,in}|praktikum|werkstudent{,in}|auszubildend{e,er}|azubi{,s}|lehrling|
        apprenti{,e}|apprentice|apprentissage|alternant{,e}|alternance|aprendiz|jovem aprendiz|phd {student,candidate}|
        doctorand{o,a}|doktorand{,in}|doctorante|doutorand{o,a}|universitari{o,a}|undergraduate|volontar{,in}|hiwi|pupil|
        schuler{,in}|working student|{dualer,duale} student{,in}|graduate student|mba candidate|co op student|
        estudiante de doctorado|vie|stagiar
    """,
    "associate": "associate{,s}",
    "junior": """
        junior{,a,es}|graduate|absolvent{,in}|recem formad{o,a}|jeune diplome{,e}|entry level|debutant{,e}|
        berufseinsteiger{,in}|principiante|iniciante|nachwuchs
    """,
    "senior": "senior{,a,s}|erfahren{e,er}|confirme{,e}|experimente{,e}",
    "deputy": """
        deputy|vice|vize|stellvertretend{e,er}|stellvertreter{,in}|stellv|adjoint{,e}|adjunt{o,a}|suplente|substitut{o,a}|
        subjef{e,a}|suppleant{,e}
    """,
    "assistant": """
        assistant{,s,e,es}|asistente{,s}|asistenta|assistent{,e,es,in}|assistenz|secretar{y,ies}|secretari{o,a,as}|
        secretaire{,s}|sekretar{,in}|sekretariat|chefsekretar{,in}|ayudante|ajudante|auxiliar{,es}|auxiliaire|aide|pa|ea|
        executive assistant|personal assistant|virtual assistant|teamassisten{t,tin,z}|assistente administrativ{o,a}|
        auxiliar administrativ{o,a}|asistente administrativ{o,a}|administrative assistant|office assistant|
        direktionsassisten{t,tin,z}|adjunt{o,a} {a,al}|chefassisten{t,tin}|vorstandsassisten{t,tin,z}|secretaria executiva|
        secretario executivo|geschaftsleitungsassisten{t,tin,z}
    """,
    "lead": "lead",
    "former": """
        former|formerly|previously|ehemalig{e,er,es,en}|ehem|fruher{e,er}|antigu{o,a}|antig{o,a}|ancien|ancienne|past|anterior|
        aspiring|aspirante{, a}|futur{,e,o,a}|angehend{e,er}|wannabe|looking for|seeking|open to|en busqueda de|en busca de|
        buscando|em busca de|a la recherche d|a la recherche de|auf der suche nach|in search of|would be
    """,
    "ex": "ex",
    "retired": """
        retired|emeritus|jubilad{o,a}|retraite{,e}|aposentad{o,a}|reformad{o,a}|rentner{,in}|pensionar{,in}|pensionist|
        pensionista|im ruhestand|ausser dienst|unemployed|desemplead{o,a}|desempregad{o,a}|arbeitslos|arbeitssuchend|
        sans emploi|en recherche d emploi|en transicion|between jobs
    """,
    "now": """
        now|currently|today|actualmente|ahora|atualmente|agora|actuellement|maintenant|aujourd hui|heute|jetzt|derzeit|aktuell|
        current|present
    """,
    "of": """
        of|s|del|de|du|d|da|do|dos|das|des|der|dem|den|zum|zur|office of|bureau du|buro des|oficina del|gabinete do
    """,
    "to": "to|fur|for|para|pour|reporting to|reports to|report to|supporting|beim|al|aux|au",
    "article": "the|our|la|el|le|l|los|las|les|a|o|an|un|una|ein|eine|einer|eines|die|its|his|her",
    "at": "at|bei|chez|@",
    "and": "and|und|y|e|et|&|+|sowie|as well as",
    "comma": ",|/|(|)",
    "break": ";|-",
}
"""Words that say how to take the others; `features/titles.py` says what each does."""

FUNCTIONS: dict[str, str] = {
    "sales": """
        sales|selling|ventas|venta|vendas|vente{,s}|vertrieb{,s}|verkauf{,s}|comercial{,es}|commercial{,e,es}|commerciaux|
        comercializacion|comercializacao|revenue|business development|biz dev|bizdev|desarrollo de negoci{o,os}|
        desenvolvimento de negoci{o,os}|developpement {commercial,des affaires}|geschaftsentwicklung|account{,s}|cuentas|contas|
        comptes {cle,cles}|grandes cuentas|grandes comptes|grosskunden|key account management|presales|pre sales|preventa|
        avant vente|pre vendas|export{,s}|exportacion{,es}|exportacao|lead generation|inside sales|field sales|
        sales {operations,ops,enablement,support,engineering,development}|partnership{,s}|alliances|alianzas|aussendienst|
        innendienst|channel|canal|canales|absatz|vertriebsinnendienst|vertriebsaussendienst|new business|commercial excellence|
        trade|comercio {exterior,internacional}|licitaciones
    """,
    "marketing": """
        marketing|marketings|mercadeo|mercadotecnia|brand{,s,ing}|marca{,s}|marque|marke|growth|communication{,s}|
        comunicacion{,es}|comunicacao|kommunikation|digital|public relations|pr|relaciones publicas|relations publiques|
        offentlichkeitsarbeit|seo|sem|seo sem|social media|redes sociales|midias sociais|medios|media|content|contenidos|
        conteudo|contenu{,s}|event{,s}|eventos|evenementiel|advertising|publicidad|publicidade|publicite|werbung|press|prensa|
        presse|e commerce|ecommerce|demand generation|product marketing|marketing de produ{to,cto}|marketing produit|
        produktmarketing|performance marketing|crm marketing|communities|community|online|werbe|online marketing|
        trade marketing|merchandising
    """,
    "it": """
        it|ti|tic|tics|ict|technology|technologies|tecnologia{,s}|technologie{,s}|sistemas|systems|systemes|systeme|system|
        software|softwares|logiciel{,s}|data|datos|dados|daten|donnees|informatic{o,a}|informatique|informatik|edv|cyber|
        cybersecurity|ciberseguridad|ciberseguranca|cybersecurite|cybersicherheit|information security|it security|
        it sicherheit|seguridad informatica|seguridad de la informacion|seguranca da informacao|securite informatique|
        information {technology,systems}|telekommunikation|tecnologias de la informacion|tecnologia da informacao|systemes d information|si|
        sistemas de informacion|sistemas de informacao|web|frontend|front end|backend|back end|fullstack|full stack|cloud|
        devops|network{,s}|redes|reseau{,x}|netzwerk{,e}|infrastructure|infraestructura{, it}|infraestrutura|
        digital transformation|transformacion digital|transformacao digital|transformation digitale|digitalisierung|
        digitalizacion|machine learning|ai|ia|ki|analytics|business intelligence|bi|inteligencia de negocio{,s}|mobile|android|
        ios|java|python|softwareentwicklung|anwendungsentwicklung|webentwicklung|qa|sap|erp|platform|plataforma|it support|
        soporte it|soporte informatico|suporte de ti|suporte ti|database|salesforce|bases de datos|software engineering|
        managed service{,s}|software development|ingenieria de software|engenharia de software|desarrollo de software|
        desenvolvimento de software|security|it {procurement,project,operations,service,finance}|helpdesk it|digitales
    """,
    "engineering": """
        engineering|ingenieria|engenharia|ingenierie|r & d|r d|rd|r + d|i + d|i + d + i|id|i d i|f & e|fue|f + e|p & d|p d|
        research|investigacion|recherche|forschung|pesquisa|research and development|investigacion y desarrollo|
        pesquisa e desenvolvimento|recherche et developpement|forschung und entwicklung|entwicklung{,s}|etudes|bureau d etudes|
        oficina tecnica|konstruktion{,s}|technik|technisch{e,er}|technical|technique{,s}|innovation{,s}|innovacion|inovacao|
        mechanical|mecanique|electrical|scientific|laboratory|laboratorio|laboratoire|labor|mechatronik|automation|
        automatizacion|process engineering|hardware|embedded|maschinenbau
    """,
    "product": """
        product{,s}|producto{,s}|produto{,s}|produit{,s}|produkt{,e}|ux|ui|ux ui|ui ux|user experience|experiencia de usuario|
        product management|produktmanagement|gestion de producto|produktentwicklung|product development|
        desarrollo de producto{,s}|product owner
    """,
    "support": """
        support|customer {support,service,success,care,experience,operations}|technical support|tech support|soporte|
        soporte tecnico|suporte|suporte tecnico|support technique|atencion al {cliente,usuario}|atendimento|
        atendimento ao cliente|servicio al cliente|servicio tecnico|servico ao cliente|service client{,s}|service clientele|
        relation client|relation{,s} clients|relation clientele|sav|apres vente|after sales|aftersales|post{,vent,ven}{a,da}|
        pos venda{,s}|kundenservice|kundendienst|kundenbetreuung|kunden|client{,s} {services,service,success}|helpdesk|
        help desk|service desk|call center|contact center|callcenter|servicedesk|service|exito del cliente|sucesso do cliente|
        experiencia de{,l} cliente|cliente{,s}|customer{,s}|kundenerfolg|clientele|hotline|incidencias
    """,
    "finance": """
        finance{,s}|financial|financier{,e,os}|financier{o,a}|financeir{o,a}|finanzas|financas|finanz{en,}|accounting|
        accounts {payable,receivable}|contabilidad|contabilidade|comptabilite|buchhaltung{,s}|rechnungswesen|controlling|
        treasury|tesoreria|tesouraria|tresorerie|tax|taxes|fiscal|fiscalidad|impuestos|steuer{n,}|audit|auditoria|risk|riesgos|
        risques|risiko|risiken|investor relations|relaciones con inversores|fp & a|fpa|fp a|billing|facturacion|facturation|
        faturamento|credit|credito{,s}|administracion y finanzas|administrativ{o,a} financier{o,a}|
        administrativ{o,a} y financier{o,a}|administrati{f,ve} et financi{er,ere}|administration et finance{,s}|
        kaufmannisch{e,er}|control de gestion|controle de gestion|controladoria|investment{,s}|inversiones|payments|cobros|
        m & a|bilanz|contable|contabil|comptable|mahnwesen
    """,
    "operations": """
        operation{,s}|operating|operacion{,es}|operacoes|operaco{es,}|operational|betrieb{,s}|ops|logistic{,s}|logistica|
        logistique|logistik|supply chain|cadena de suministro|cadeia de {suprimentos,abastecimento}|chaine logistique|
        lieferkette|production|produccion|producao|produktion{,s}|fertigung{,s}|manufacturing|fabricacion|fabrication|plant|
        planta|usine|werk{,s}|fabrica|factory|atelier|almacen{,es}|armazem|entrepot|lager{,s}|warehouse|quality|
        quality assurance|calidad|qualite|qualidade|qualitat{,s}|qualitatsmanagement|qualitatssicherung|maintenance|
        mantenimiento|manutencao|instandhaltung|facility|facilities|facility management|hse|ehs|qhse|qse|hsqe|health and safety|
        health & safety|seguridad y salud|prevencion{, de riesgos laborales}|prl|arbeitssicherheit|seguranca do trabalho|
        transport|transporte{,s}|fleet|flota|versand|disposition|produktionsplanung|expediciones|distribution|distribucion|
        industriel{,le}|exploitation|explotacion|obras|excelencia operacional|lean|process improvement|betriebliche|delivery|
        fuhrpark|montage|taller|construction
    """,
    "purchasing": """
        purchasing|procurement|compras|achat{,s}|einkauf{,s}|beschaffung{,s}|sourcing|aprovisionamiento{,s}|
        approvisionnement{,s}|suprimentos|buying|strategischer einkauf|indirect procurement|category|supplier|suppliers|
        vendor management|proveedores|fournisseurs|aquisicoes|abastecimiento
    """,
    "hr": """
        hr|rh|rrhh|rr hh|r h|human resources|human capital|capital humano|recursos humanos|ressources humaines|personal|
        personal{wesen,abteilung,entwicklung,management}|personas|pessoas|people|people and culture|people & culture|
        gente y gestion|gente e gestao|talent{,s}|talento{,s}|talent acquisition|recruiting|recruitment|recrutement|
        recrutamento|reclutamiento|seleccion|training|learning|learning and development|learning & development|l & d|formacion|
        formation|formacao|treinamento|capacitacion|payroll|nomina{,s}|paie|lohn|gehalt|lohnbuchhaltung|entgeltabrechnung|
        folha de pagamento|employer branding|compensation|compensacion|relaciones laborales|weiterbildung|ausbildung|hrbp|
        cultura|departamento pessoal
    """,
    "legal": """
        legal|legals|juridic{o,a}|juridique|recht{,s}|law|counsel|compliance|cumplimiento|conformite|datenschutz|
        data protection|privacy|asesoria juridica|departamento legal|contracts|contratos|vertragsmanagement|patent{,e,s}|
        rechtsabteilung|regulatory|regulatory affairs|asuntos regulatorios
    """,
    "administration": """
        administration{,s}|verwaltung{,s}|buro|sekretariat|office management|secretaria|backoffice|back office|empfang|
        servicios generales|services generaux|servicos gerais
    """,
    "general": """
        direction generale|direccion general|gerencia general|general management|unternehmensleitung|geschaftsbereich
    """,
    "~general": """
        strategy|estrategia|strategie|corporate development|unternehmensentwicklung|estrategi{co,a}|vorstands|geschafts|
        direccion empresarial
    """,
    "~it": "information|informacion|digitalisation",
    "~finance": "administracion|administracao",
    "~administration": "office|oficina|bureau|administrati{f,ve}|administrativ{o,a,os}",
    "~engineering": "development|desarrollo|desenvolvimento|developpement|technics",
}
"""Function, and the words that name it."""

ASSISTED = frozenset({"manager", "supervisor", "director", "head", "vp", "controller", "coordinator"})
"""Who is deputised, not served, by the "assistant" before: an "Assistant Manager" manages."""

NEUTRAL = """
    managed|business|industrial|industrie|industria|management|managing|gestion|gestao|general|generale|global|international|
    internacional|regional|national|nacional|group|groupe|grupo|gruppe{,n}|team|area|equipo|europe|emea|latam|dach|iberia|apac|
    america{,s}|division|department|departamento|abteilung{,s}|bereich{,s}|unit|project{,s}|projekt{,e}|proyecto{,s}|
    projeto{,s}|projet{,s}|program{,s,me}|programa{,s}|principles|student {affairs,services,success,life}|
    internship program{,me}|internal|interne|interno|interna|strategic|strategischer|corporate|staffing|direct|directs|
    digital native|chefe de cozinha|head hunter|executive search|board|company|gmbh|ag|sl|sa|sas|sarl|ltda|ltd|inc|llc|
    zugbegleit{er,erin}|begleiter{,in}|halbleiter|personal {trainer,banker,shopper}|market|markets|mercado|mercados|marche|
    markt|process owner group|home owner|homeowner|landowner|ninja|guru|rockstar|evangelist|consulting|consultation|
    coordination|coordinacion|supervision|director{y,ate}|personnel|manage|leads|leading|leadership|header|officers mess|
    ceo club|secretary of state|instructor|constructor|production assistant
"""
"""Words that say neither, and stand here so that they are not taken for misspelt neighbours ("managed" for "manager")."""

ABBREVIATIONS: dict[str, str] = {
    "dir": "director",
    "dtor": "director",
    "dtora": "directora",
    "dtra": "directora",
    "dctor": "director",
    "mgr": "manager",
    "mgmt": "management",
    "mktg": "marketing",
    "mkt": "marketing",
    "mkting": "marketing",
    "mrkt": "marketing",
    "mkg": "marketing",
    "opns": "operations",
    "resp": "responsable",
    "respons": "responsable",
    "jfe": "jefe",
    "jfa": "jefa",
    "gte": "gerente",
    "gtte": "gerente",
    "ger": "gerente",
    "gral": "general",
    "gen": "general",
    "pdte": "presidente",
    "pres": "president",
    "coord": "coordinator",
    "superv": "supervisor",
    "supv": "supervisor",
    "encarg": "encargado",
    "sr": "senior",
    "snr": "senior",
    "jr": "junior",
    "jnr": "junior",
    "admin": "administrative",
    "adm": "administrative",
    "admvo": "administrativo",
    "admtvo": "administrativo",
    "ing": "ingeniero",
    "ingo": "ingeniero",
    "eng": "engineer",
    "engr": "engineer",
    "engg": "engineering",
    "tec": "tecnico",
    "tecn": "tecnico",
    "tech": "technical",
    "techn": "technischer",
    "ej": "ejecutivo",
    "ejec": "ejecutivo",
    "exec": "executive",
    "esp": "especialista",
    "asst": "assistant",
    "asist": "asistente",
    "assist": "assistant",
    "ass": "assistant",
    "asis": "asistente",
    "assoc": "associate",
    "dev": "developer",
    "fin": "financial",
    "acct": "account",
    "acc": "account",
    "bus": "business",
    "biz": "business",
    "svc": "service",
    "svcs": "services",
    "serv": "service",
    "cust": "customer",
    "purch": "purchasing",
    "proc": "procurement",
    "mfg": "manufacturing",
    "prod": "production",
    "dept": "department",
    "dpto": "departamento",
    "comm": "communication",
    "ccial": "comercial",
    "ccl": "commercial",
    "ltg": "leitung",
    "ltr": "leiter",
    "ltrin": "leiterin",
    "stv": "stellvertretender",
    "stellv": "stellvertretender",
    "abt": "abteilung",
    "gesch": "geschaftsfuhrer",
    "geschf": "geschaftsfuhrer",
    "kfm": "kaufmannischer",
    "kaufm": "kaufmannischer",
    "vertr": "vertrieb",
    "vt": "vertrieb",
    "ek": "einkauf",
    "vk": "verkauf",
    "verw": "verwaltung",
    "sekr": "sekretariat",
    "tl": "teamleiter",
    "info": "information",
    "sys": "systems",
    "sw": "software",
    "hw": "hardware",
    "sist": "sistemas",
    "log": "logistics",
    "mant": "mantenimiento",
    "cial": "comercial",
    "rel": "relations",
    "repr": "representative",
    "rpte": "representante",
    "prakt": "praktikant",
    "md": "managing director",
}
"""Abbreviations and the words they stand for."""

COMPOUND_HEADS: dict[str, str] = {
    "leiter{,in,innen}|leitung": "leiter",
    "direktor{,in}|direktion": "direktor",
    "chef{,in}": "chef",
    "manager{,in}": "manager",
    "vorstand": "vorstand",
    "koordinator{,in}": "koordinator",
    "verantwortliche{,r,n}": "verantwortliche",
    "beauftragte{,r,n}": "beauftragter",
    "entwickler{,in}": "entwickler",
    "programmierer{,in}": "programmierer",
    "ingenieur{,in}": "ingenieur",
    "techniker{,in}": "techniker",
    "mechaniker{,in}": "mechaniker",
    "architekt{,in}": "architekt",
    "administrator{,in}": "sachbearbeiter",
    "berater{,in}": "berater",
    "spezialist{,in}": "spezialist",
    "experte|expert{in,en}": "expert",
    "analyst{,in}": "analyst",
    "assistent{,in}|assistenz": "assistent",
    "sekretar{,in}": "sekretar",
    "referent{,in}": "referent",
    "mitarbeiter{,in}": "mitarbeiter",
    "sachbearbeiter{,in}": "sachbearbeiter",
    "angestellte{,r}": "angestellter",
    "fachkraft": "fachkraft",
    "kaufmann|kauffrau": "kaufmann",
    "betreuer{,in}": "betreuer",
    "planer{,in}": "planer",
    "controller{,in}": "controller",
    "verkaufer{,in}": "verkaufer",
    "einkaufer{,in}": "einkaufer",
    "vertreter{,in}": "vertreter",
    "buchhalter{,in}": "buchhalter",
    "prufer{,in}": "prufer",
    "trainer{,in}": "trainer",
    "redakteur{,in}": "redakteur",
    "student{,in}": "student",
    "praktikant{,in}": "praktikant",
    "trainee": "trainee",
    "inhaber{,in}": "inhaber",
    "grunder{,in}": "grunder",
    "designer{,in}": "designer",
    "fahrer{,in}": "fahrer",
    "jurist{,in}|anwalt|anwaltin": "jurist",
    "forscher{,in}": "forscher",
    "meister{,in}": "meister",
    "entwicklung": "development",
    "logistik": "logistik",
    "vertrieb|verkauf": "vertrieb",
    "einkauf|beschaffung": "einkauf",
    "buchhaltung|rechnungswesen|controlling": "buchhaltung",
    "marketing|kommunikation|werbung": "marketing",
    "technik|konstruktion|forschung|maschinenbau": "technik",
    "informatik|netzwerk|infrastruktur|software": "informatik",
    "produktion|fertigung|montage|lager|instandhaltung|versand": "produktion",
    "kundendienst|kundenservice": "kundendienst",
    "recht": "recht",
    "management|steuerung|planung|prufung|sicherung|abwicklung|betreuung|beratung|optimierung|kontrolle": "management",
    "koordination|strategie|prozesse|zentrum|center|zentrale|bereich|gruppe": "management",
    "abteilung": "management",
    "wesen": "management",
    "dienst": "management",
    "begleiter{,in}|halbleiter": "management",
}
"""What German compounds end in, and the word that stands for it: its rank, and its function where what is before names none."""

PREFIXES: dict[str, str] = {
    "ex": "ex",
    "sub": "deputy",
    "vice": "deputy",
    "vize": "deputy",
    "co": "",
    "mit": "",
    "allein": "",
    "ober": "senior",
    "haupt": "senior",
}
"""What may be written together with a rank ("exdirectora", "subdirector"), and the word that it stands for."""
