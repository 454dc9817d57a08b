"""Everyday words of a workplace in English and Spanish, so that a question meets documents in the other language.

The carried encoder has read English only, and full text needs the same letters; a few hundred
pairs bridge most questions to a handbook, a contract or an allergen sheet. No grammar, no
senses: a wrong neighbour costs one weak match, a missing word costs the passage.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from orchestrator.engines.words import content_words, fold, stem

#: One concept a line: English words = Spanish words, any of either side for any of the other.
_PAIRS = """
absence absent = ausencia ausente falta
accept = aceptar admitir
accident injury = accidente lesión
account = cuenta
additive = aditivo
address = dirección domicilio
advance notice = antelación anticipación preaviso aviso
agree agreement = acuerdo acordar convenio pacto
alarm = alarma
alcohol = alcohol alcoholico
allergen allergy allergic = alergeno alergia alergico
allow allowed permit permitted permission = permitir permitido permiso autorizar
almond = almendra
amount = importe cantidad monto
annual yearly = anual
apologize apology = disculpa disculparse
apply application request ask = solicitar solicitud pedir petición
approve approval authorise authorize = aprobar aprobación autorizar autorización
apron = delantal
area zone = zona area
arrive arrival = llegar llegada
assembly meeting = encuentro reunion concentración
baby infant = bebe lactante
balance = saldo
bank = banco bancario
bar = barra bar
beach coast = playa costa
bean = judia alubia haba
beef veal = ternera vacuno res
beer = cerveza
bill check invoice = factura cuenta
birthday = cumpleaños
board = tabla tablero
bonus = bonus prima gratificación
book booking reserve reservation = reservar reserva reservación
bottle = botella
branch restaurant premises venue = sucursal local restaurante establecimiento
bread = pan
break rest = descanso pausa
breakfast = desayuno
broken break damage damaged = roto dañado daño rotura averia
butter = mantequilla
buy purchase = comprar compra
cake = tarta pastel
calendar = calendario
call phone telephone mobile = llamar llamada telefono movil
cancel cancellation = cancelar cancelación anular anulación
card = tarjeta
care = cuidado cuidar
carry transfer = trasladar transferir acumular guardar
cash = efectivo metalico
celery = apio
chair = silla
change = cambiar cambio modificar modificación
charge fee = cobrar cargo cargar tasa
cheese = queso
chef cook = cocinero jefe chef
chicken poultry = pollo ave
child children kid minor = niño menor hijo
clean cleaning = limpiar limpieza limpio
client customer guest = cliente comensal invitado huesped
close closing = cerrar cierre
clothes clothing dress = ropa vestir vestimenta indumentaria
coffee = cafe
cold chilled = frio refrigerado
comment feedback = comentario opinion
company firm = empresa compañía sociedad
complain complaint = queja reclamación quejarse reclamar
confidential privacy = confidencial confidencialidad privacidad
conflict dispute = conflicto disputa litigio
contain contains content = contener contiene contenido llevar lleva
contract = contrato
cool cooling = enfriar enfriamiento
cost price = coste costo precio
course dish plate = plato
cover = cubrir cubierto
cream = nata crema
credit = credito
crustacean shellfish prawn shrimp = crustaceo marisco gamba langostino
cup glass = taza vaso copa
dairy milk = lacteo leche
date = fecha
day = dia jornada
dead death bereavement = muerte fallecimiento
deadline term = plazo vencimiento termino
debt = deuda
deep fry fryer frying = freir freidora fritura
defect faulty = defecto defectuoso
degree = grado
delay late = retraso tarde demora retrasar
deliver delivery = entregar entrega reparto
deposit = deposito señal fianza
dessert = postre
diet dietary = dieta dietetico
dinner = cena
disciplinary discipline = disciplinario disciplina
discount = descuento
dishwasher = lavavajillas
dismiss dismissal fire fired = despedir despido
doctor medical = medico doctor
document = documento
dog pet animal = perro mascota animal
door = puerta
drain = desague
drink beverage = bebida beber
driver = conductor repartidor
drug medicine = droga medicamento medicina
early = temprano pronto
earring jewellery jewelry = pendiente joya
egg = huevo
electric electrical = electrico
emergency = emergencia urgencia
employ employee staff worker = empleado trabajador personal plantilla
employer = empleador empresa
end finish expire expiry = fin terminar acabar vencer vencimiento expirar caducar
enter entrance entry = entrar entrada
equipment = equipo equipamiento
evacuate evacuation = evacuar evacuación
event = evento
exception = excepción
exclusive exclusivity = exclusivo exclusividad exclusiva
exit = salida
expense = gasto
extend extension renew renewal = prorroga renovar renovación ampliar
extinguisher = extintor
faint = desmayo
family relative = familia familiar
fat oil grease = grasa aceite
fine penalty = multa penalización sanción
finger hand = dedo mano
fire flame = fuego incendio llama
first aid = primeros auxilios
fish = pescado pez
flour wheat = harina trigo
floor dining = sala suelo comedor
food meal = comida alimento
forbidden prohibited ban = prohibido prohibir
form = formulario
free = gratis gratuito libre
freeze freezer frozen = congelar congelador congelado
freight transport = transporte porte
fresh = fresco
fridge refrigerator chamber = nevera frigorifico camara refrigerador
fruit = fruta
full = completo lleno jornada
garden terrace outdoor = terraza jardin exterior
garlic = ajo
gas = gas
gift voucher = regalo vale bono
gloves = guantes
gluten = gluten
goods merchandise = mercancia genero producto
grape = uva
group party = grupo
guarantee warranty = garantia
hair = pelo cabello
ham pork pig = jamon cerdo
handbook manual = manual
harass harassment = acoso acosar
health = salud sanitario sanidad
heat hot = calor caliente calentar
hire hiring recruit = contratar contratación
hold keep store storage = guardar conservar conservación almacenar mantener
holiday vacation leave = vacaciones vacación permiso festivo
home = casa hogar domicilio
hour = hora
hygiene = higiene
ice = hielo
ill illness sick sickness = enfermo enfermedad baja
incident = incidente incidencia
increase raise = aumento subida aumentar
inform report notify = informar avisar comunicar notificar
ingredient = ingrediente
inspect inspection = inspección inspeccionar
insurance = seguro
interest = interes
invite = invitar
key = llave clave
kitchen = cocina
knife = cuchillo
label = etiqueta etiquetar
lamb = cordero
language = idioma
late = tarde
laundry wash washing = lavanderia lavar lavado
law legal = ley legal
lemon = limon
liable liability responsible responsibility = responsable responsabilidad
licence license = licencia
light = luz
limit maximum = limite maximo
list = lista
lock locker = cerradura taquilla cerrar
log record register = registro registrar
lose lost loss = perder perdido perdida
lunch = almuerzo comida
lupin = altramuz
machine = maquina
maintain maintenance = mantener mantenimiento
manager supervisor head = encargado gerente responsable supervisor jefe director
marriage wedding = matrimonio boda
maternity paternity parental = maternidad paternidad parental
meat = carne
menu = carta menu
minimum = minimo
minute = minuto
mollusc mussel clam squid = molusco mejillon almeja calamar
money = dinero
month monthly = mes mensual
mouth = boca
move = mudanza mover traslado
mushroom = seta champiñón
music = musica
mustard = mostaza
name = nombre
necklace = collar
night = noche nocturno
noise = ruido
notice = preaviso aviso
number = numero
nut nuts walnut hazelnut = nuez nueces fruto avellana frutos secos
obligation obligatory mandatory must required = obligatorio obligación obligado deber
office = oficina
onion = cebolla
open opening = abrir apertura abierto
order = pedido pedir encargo
organic = ecologico organico
oven = horno
overtime extra = extra extraordinaria horas
owe = deber adeudar
owner = propietario dueño
pack package packaging = paquete envase embalaje
paid pay payment = pagar pago pagado abonar
part share portion = parte porción
pasta = pasta
peanut = cacahuete
percent percentage = porcentaje ciento
person = persona
pest = plaga
pizza = pizza
pool common = bote fondo comun
police = policia
policy = politica norma
pregnant pregnancy = embarazo embarazada
pressure = presión
probation trial = prueba
procedure process steps = procedimiento proceso pasos
proof evidence = prueba justificante
quality = calidad
quantity = cantidad
quarter = trimestre
rain weather = lluvia tiempo
raw = crudo
receipt ticket = recibo tique ticket
receive reception receiving = recibir recepción
refund reimburse money = reembolso reembolsar devolver devolución dinero
refuse reject = rechazar negarse rechazo
remove = retirar quitar
rent lease = alquiler arrendamiento
repair fix = reparar reparación arreglar
replace replacement = sustituir sustitución reemplazar reponer
resign resignation = dimisión dimitir renuncia
return = devolver devolución volver
rice = arroz
right = derecho
ring = anillo
risk danger dangerous = riesgo peligro peligroso
rota roster schedule timetable = turno horario cuadrante
rule norm regulation = norma regla reglamento
safe safety security = seguro seguridad
salad = ensalada
salary wage pay = salario sueldo nomina
salt = sal
sample = muestra
sauce = salsa
seafood = marisco
season = temporada estación
seat = asiento
sell sale = vender venta
serve service = servir servicio
sesame = sesamo
share distribute split divide = repartir reparto compartir dividir distribuir
shelf = estante balda
shift = turno
shirt = camisa
shoe footwear trainers sneakers = zapato calzado zapatillas deportivas
sign signature = firmar firma
smell = olor
smoke smoking tobacco = humo fumar tabaco
soap = jabon
social media network = redes sociales
soup = sopa
soy soya = soja
spice = especia
spill = derrame
stairs = escalera
start begin = empezar comenzar inicio
steal theft = robo robar hurto
stop = parar detener
stove hob = fogon
street = calle
strike = huelga
sugar = azucar
sulphite sulfite = sulfito
summer = verano
supplier supply provider vendor = proveedor suministrador suministro suministrar
surface = superficie
suspend = suspender suspensión
table = mesa
take takeaway = llevar
tax vat = impuesto iva
team = equipo
temperature = temperatura
terminate termination = rescindir rescisión resolución terminar resolver
thaw defrost = descongelar descongelación
throw discard waste bin = tirar desechar desperdicio residuo basura
time = tiempo hora horario
tip gratuity = propina
toilet bathroom = baño aseo
tomato = tomate
trace = traza
train training = formación formar curso
travel = viaje viajar
truck vehicle van = camion vehiculo furgoneta
uniform = uniforme
unload = descargar descarga
urgent = urgente
vegan = vegano
vegetable = verdura hortaliza vegetal
vegetarian = vegetariano
vinegar = vinagre
visit visitor = visita visitante
volume = volumen
wait waiting = esperar espera
waiter waitress server = camarero
warehouse store = almacen
warn warning = advertencia amonestación apercibimiento avisar
water = agua
wear = llevar usar vestir
week weekly = semana semanal
weekend = finde semana
weight weigh = peso pesar
window = ventana
wine = vino
winter = invierno
work job = trabajo trabajar laboral puesto
write written = escribir escrito
year = año
young = joven
"""


#: What a translated word counts, next to one that is there as it was asked.
TRANSLATED = 0.9
_ION = re.compile(r"(?<=[cs])ion$")


class Asked(NamedTuple):
    """A word to look for in passages of one language; of the words of one concept the best counts, once."""

    concept: int
    language: str
    word: str
    weight: float


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, by the language asked in, each stem's words in the other language."""
    tables: dict[str, dict[str, tuple[str, ...]]] = {"en": {}, "es": {}}
    for line in _PAIRS.strip().splitlines():
        english, spanish = (tuple(side.split()) for side in line.split("="))
        for language, mine, theirs in (("en", english, spanish), ("es", spanish, english)):
            for word in mine:
                key = stem(word, language)
                known = tables[language].get(key, ())
                tables[language][key] = known + tuple(other for other in theirs if other not in known)
    return tables


def translations(word: str, language: str) -> tuple[str, ...]:
    """Return the other language's words for `word` of `language`, accents folded; none when it is not listed."""
    return _tables().get(language, {}).get(stem(fold(word), language), ())


def asked(question: str, language: str) -> list[Asked]:
    """Return what to look for: the question's own words in both languages, since names have none, and translations.

    Unaccented endings of Spanish are mended, because PostgreSQL's stemmer only knows them with the accent.
    """
    far_language = "en" if language == "es" else "es"
    found: list[Asked] = []
    for concept, word in enumerate(content_words(question, language)):
        found += [Asked(concept, language, word, 1.0), Asked(concept, far_language, word, 1.0)]
        found += [Asked(concept, far_language, far, TRANSLATED) for far in translations(word, language)]
    return [one._replace(word=_ION.sub("ión", one.word)) if one.language == "es" else one for one in found]
