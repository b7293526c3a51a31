"""Check a signature of a drand beacon, "bls-unchained-g1-rfc9380", with nothing but this file. Slow: some seconds.

    e(signature, g2) = e(H(SHA-256(round as 8 bytes, big-endian)), public key)

The curve is BLS12-381, y^2 = x^3 + 4 over the integers modulo P. Signatures are in G1, points of order R of this curve;
keys are in G2, points of order R of its twist, y^2 = x^3 + 4 (1 + i), over pairs (a, b) that stand for a + b i with
i^2 = -1. H is hash_to_curve of RFC 9380, suite BLS12381G1_XMD:SHA-256_SSWU_RO_; e is the ate pairing, which is asked
only whether a product of two of it is 1. Numbers in twelve parts are six pairs: powers of w, with w^6 = 1 + i.

Nothing here is secret, so nothing takes care of how long it takes.
"""

import hashlib

P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
LOOP = 0xD201000000010000
COFACTOR = LOOP + 1
DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
G2_GENERATOR = bytes.fromhex(
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
)

Pair = tuple[int, int]
Twelve = tuple[Pair, Pair, Pair, Pair, Pair, Pair]
Point = tuple[Pair, Pair] | None
"""A point of either curve, in pairs; those of G1 have 0 in the second places. None is the point at infinity."""

ZERO: Pair = (0, 0)
ONE: Twelve = ((1, 0), ZERO, ZERO, ZERO, ZERO, ZERO)
B1: Pair = (4, 0)
B2: Pair = (4, 4)


def is_signed(public_key: bytes, beacon_round: int, signature: bytes) -> bool:
    """Tell whether this is the signature of a beacon's round under a key of 96 bytes."""
    point, key = read_point(signature, 48, B1), read_point(public_key, 96, B2)
    generator = read_point(G2_GENERATOR, 96, B2)
    if point is None or key is None or generator is None:
        return False
    hashed = hash_to_curve(hashlib.sha256(beacon_round.to_bytes(8, "big")).digest())
    x, y = generator
    product = times12(loop(point, (x, minus(y))), loop(hashed, key))
    return power12(product, (P**12 - 1) // R) == ONE


# ---- pairs ---------------------------------------------------------------------------------------------------------


def plus(a: Pair, b: Pair) -> Pair:
    """Add."""
    return (a[0] + b[0]) % P, (a[1] + b[1]) % P


def minus(a: Pair) -> Pair:
    """Negate."""
    return -a[0] % P, -a[1] % P


def times(a: Pair, b: Pair) -> Pair:
    """Multiply."""
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def over(a: Pair, b: Pair) -> Pair:
    """Divide."""
    inverse = pow(b[0] * b[0] + b[1] * b[1], -1, P)
    return times(a, (b[0] * inverse % P, -b[1] * inverse % P))


def root(a: Pair) -> Pair | None:
    """Find a square root; None where there is none. P leaves 3 when it is divided by 4."""
    if a[1] == 0:
        real = pow(a[0], (P + 1) // 4, P)
        if real * real % P == a[0]:
            return real, 0
        imaginary = pow(-a[0], (P + 1) // 4, P)
        return (0, imaginary) if -imaginary * imaginary % P == a[0] else None
    length = pow(a[0] * a[0] + a[1] * a[1], (P + 1) // 4, P)
    for half in ((a[0] + length) * pow(2, -1, P) % P, (a[0] - length) * pow(2, -1, P) % P):
        real = pow(half, (P + 1) // 4, P)
        if real and real * real % P == half:
            found = (real, a[1] * pow(2 * real, -1, P) % P)
            return found if times(found, found) == a else None
    return None


# ---- curves --------------------------------------------------------------------------------------------------------


def slope(a: tuple[Pair, Pair], b: tuple[Pair, Pair]) -> Pair | None:
    """Give the slope of the line through two points, or of the tangent; None where it is upright."""
    if a[0] != b[0]:
        return over(plus(b[1], minus(a[1])), plus(b[0], minus(a[0])))
    if a[1] != b[1] or a[1] == ZERO:
        return None
    return over(times((3, 0), times(a[0], a[0])), times((2, 0), a[1]))


def add(a: Point, b: Point) -> Point:
    """Add two points."""
    if a is None or b is None:
        return b if a is None else a
    steep = slope(a, b)
    if steep is None:
        return None
    x = plus(times(steep, steep), minus(plus(a[0], b[0])))
    return x, plus(times(steep, plus(a[0], minus(x))), minus(a[1]))


def multiply(point: Point, scalar: int) -> Point:
    """Add a point to itself so many times."""
    found: Point = None
    for bit in bin(scalar)[2:]:
        found = add(found, found)
        if bit == "1":
            found = add(found, point)
    return found


def read_point(data: bytes, size: int, b: Pair) -> Point:
    """Read a compressed point of order R; None for what is none, and for the point at infinity."""
    if len(data) != size or data[0] & 0xC0 != 0x80:
        return None
    parts = [int.from_bytes(data[start : start + 48], "big") for start in range(0, size, 48)]
    parts[0] &= (1 << 381) - 1
    x = (parts[-1], parts[0] if size > 48 else 0)
    if max(x) >= P:
        return None
    y = root(plus(times(x, times(x, x)), b))
    if y is None:
        return None
    is_larger = (y[1], y[0]) > (-y[1] % P, -y[0] % P)
    point = (x, y if is_larger == bool(data[0] & 0x20) else minus(y))
    return point if multiply(point, R) is None else None


# ---- the pairing ---------------------------------------------------------------------------------------------------


def times12(a: Twelve, b: Twelve) -> Twelve:
    """Multiply numbers in twelve parts."""
    real, imaginary = [0] * 11, [0] * 11
    for m, (ar, ai) in enumerate(a):
        if ar or ai:
            for n, (br, bi) in enumerate(b):
                real[m + n] += ar * br - ai * bi
                imaginary[m + n] += ar * bi + ai * br
    for n in range(5):  # w^6 = 1 + i
        real[n] += real[n + 6] - imaginary[n + 6]
        imaginary[n] += real[n + 6] + imaginary[n + 6]
    first, second, third, fourth, fifth, sixth = ((real[n] % P, imaginary[n] % P) for n in range(6))
    return first, second, third, fourth, fifth, sixth


def power12(a: Twelve, exponent: int) -> Twelve:
    """Multiply a number with itself so many times."""
    found = ONE
    for bit in bin(exponent)[2:]:
        found = times12(found, found)
        if bit == "1":
            found = times12(found, a)
    return found


def line(a: tuple[Pair, Pair], b: tuple[Pair, Pair], at: tuple[Pair, Pair]) -> Twelve:
    """Give the line through two points of the twist at a point of the curve, but for a factor that does not matter."""
    steep = slope(a, b)
    assert steep is not None, "no multiple below R is the opposite of another"
    (x, _), (y, _) = at
    return plus(a[1], minus(times(steep, a[0]))), ZERO, times(steep, (x, 0)), (-y % P, 0), ZERO, ZERO


def loop(point: tuple[Pair, Pair], key: tuple[Pair, Pair]) -> Twelve:
    """Miller's loop."""
    found, multiple = ONE, key
    for bit in bin(LOOP)[3:]:
        found = times12(times12(found, found), line(multiple, multiple, point))
        multiple = _there(add(multiple, multiple))
        if bit == "1":
            found = times12(found, line(multiple, key, point))
            multiple = _there(add(multiple, key))
    return found


def _there(point: Point) -> tuple[Pair, Pair]:
    assert point is not None, "no multiple below R is the point at infinity"
    return point


# ---- hashing to the curve, RFC 9380 --------------------------------------------------------------------------------


def hash_to_curve(message: bytes) -> tuple[Pair, Pair]:
    """Hash a message to a point of G1."""
    uniform = expand(message, 128)
    first, second = (map_to_curve(int.from_bytes(part, "big") % P) for part in (uniform[:64], uniform[64:]))
    return _there(multiply(add(first, second), COFACTOR))


def expand(message: bytes, size: int) -> bytes:
    """Make `size` bytes of a message: expand_message_xmd with SHA-256."""
    domain = DOMAIN + bytes([len(DOMAIN)])
    before = hashlib.sha256(bytes(64) + message + size.to_bytes(2, "big") + b"\x00" + domain).digest()
    blocks = [hashlib.sha256(before + b"\x01" + domain).digest()]
    while 32 * len(blocks) < size:
        mixed = bytes(a ^ b for a, b in zip(before, blocks[-1], strict=True))
        blocks.append(hashlib.sha256(mixed + bytes([len(blocks) + 1]) + domain).digest())
    return b"".join(blocks)[:size]


def map_to_curve(u: int) -> tuple[Pair, Pair]:
    """Map a number to a point: simplified SWU to a curve that is 11-isogenous, and from there to ours."""
    scaled = Z * u * u % P
    factor = (scaled * scaled + scaled) % P
    x = B * pow(Z * A, -1, P) % P if factor == 0 else -B * pow(A, -1, P) * (1 + pow(factor, -1, P)) % P
    square = (x * x * x + A * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        x = scaled * x % P
        y = pow((x * x * x + A * x + B) % P, (P + 1) // 4, P)
    if y % 2 != u % 2:
        y = -y % P
    mapped_x = _at(x, X_NUMERATOR) * pow(_at(x, X_DENOMINATOR), -1, P) % P
    mapped_y = y * _at(x, Y_NUMERATOR) * pow(_at(x, Y_DENOMINATOR), -1, P) % P
    return (mapped_x, 0), (mapped_y, 0)


def _at(x: int, coefficients: tuple[int, ...]) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % P
    return value


Z = 11
A = 0x144698A3B8E9433D693A02C96D4982B0EA985383EE66A8D8E8981AEFD881AC98936F8DA0E0F97F5CF428082D584C1D
B = 0x12E2908D11688030018B12E8753EEE3B2016C1F0F24F4070A0B9C14FCEF35EF55A23215A316CEAA5D1CC48E98E172BE0
# The isogeny, RFC 9380 appendix E.2: coefficients from that of x^0 on.
X_NUMERATOR = (
    0x11A05F2B1E833340B809101DD99815856B303E88A2D7005FF2627B56CDB4E2C85610C2D5F2E62D6EAEAC1662734649B7,
    0x17294ED3E943AB2F0588BAB22147A81C7C17E75B2F6A8417F565E33C70D1E86B4838F2A6F318C356E834EEF1B3CB83BB,
    0x0D54005DB97678EC1D1048C5D10A9A1BCE032473295983E56878E501EC68E25C958C3E3D2A09729FE0179F9DAC9EDCB0,
    0x1778E7166FCC6DB74E0609D307E55412D7F5E4656A8DBF25F1B33289F1B330835336E25CE3107193C5B388641D9B6861,
    0x0E99726A3199F4436642B4B3E4118E5499DB995A1257FB3F086EEB65982FAC18985A286F301E77C451154CE9AC8895D9,
    0x1630C3250D7313FF01D1201BF7A74AB5DB3CB17DD952799B9ED3AB9097E68F90A0870D2DCAE73D19CD13C1C66F652983,
    0x0D6ED6553FE44D296A3726C38AE652BFB11586264F0F8CE19008E218F9C86B2A8DA25128C1052ECADDD7F225A139ED84,
    0x17B81E7701ABDBE2E8743884D1117E53356DE5AB275B4DB1A682C62EF0F2753339B7C8F8C8F475AF9CCB5618E3F0C88E,
    0x080D3CF1F9A78FC47B90B33563BE990DC43B756CE79F5574A2C596C928C5D1DE4FA295F296B74E956D71986A8497E317,
    0x169B1F8E1BCFA7C42E0C37515D138F22DD2ECB803A0C5C99676314BAF4BB1B7FA3190B2EDC0327797F241067BE390C9E,
    0x10321DA079CE07E272D8EC09D2565B0DFA7DCCDDE6787F96D50AF36003B14866F69B771F8C285DECCA67DF3F1605FB7B,
    0x06E08C248E260E70BD1E962381EDEE3D31D79D7E22C837BC23C0BF1BC24C6B68C24B1B80B64D391FA9C8BA2E8BA2D229,
)
X_DENOMINATOR = (
    0x08CA8D548CFF19AE18B2E62F4BD3FA6F01D5EF4BA35B48BA9C9588617FC8AC62B558D681BE343DF8993CF9FA40D21B1C,
    0x12561A5DEB559C4348B4711298E536367041E8CA0CF0800C0126C2588C48BF5713DAA8846CB026E9E5C8276EC82B3BFF,
    0x0B2962FE57A3225E8137E629BFF2991F6F89416F5A718CD1FCA64E00B11ACEACD6A3D0967C94FEDCFCC239BA5CB83E19,
    0x03425581A58AE2FEC83AAFEF7C40EB545B08243F16B1655154CCA8ABC28D6FD04976D5243EECF5C4130DE8938DC62CD8,
    0x13A8E162022914A80A6F1D5F43E7A07DFFDFC759A12062BB8D6B44E833B306DA9BD29BA81F35781D539D395B3532A21E,
    0x0E7355F8E4E667B955390F7F0506C6E9395735E9CE9CAD4D0A43BCEF24B8982F7400D24BC4228F11C02DF9A29F6304A5,
    0x0772CAACF16936190F3E0C63E0596721570F5799AF53A1894E2E073062AEDE9CEA73B3538F0DE06CEC2574496EE84A3A,
    0x14A7AC2A9D64A8B230B3F5B074CF01996E7F63C21BCA68A81996E1CDF9822C580FA5B9489D11E2D311F7D99BBDCC5A5E,
    0x0A10ECF6ADA54F825E920B3DAFC7A3CCE07F8D1D7161366B74100DA67F39883503826692ABBA43704776EC3A79A1D641,
    0x095FC13AB9E92AD4476D6E3EB3A56680F682B4EE96F7D03776DF533978F31C1593174E4B4B7865002D6384D168ECDD0A,
    0x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001,
)
Y_NUMERATOR = (
    0x090D97C81BA24EE0259D1F094980DCFA11AD138E48A869522B52AF6C956543D3CD0C7AEE9B3BA3C2BE9845719707BB33,
    0x134996A104EE5811D51036D776FB46831223E96C254F383D0F906343EB67AD34D6C56711962FA8BFE097E75A2E41C696,
    0x00CC786BAA966E66F4A384C86A3B49942552E2D658A31CE2C344BE4B91400DA7D26D521628B00523B8DFE240C72DE1F6,
    0x01F86376E8981C217898751AD8746757D42AA7B90EEB791C09E4A3EC03251CF9DE405ABA9EC61DECA6355C77B0E5F4CB,
    0x08CC03FDEFE0FF135CAF4FE2A21529C4195536FBE3CE50B879833FD221351ADC2EE7F8DC099040A841B6DAECF2E8FEDB,
    0x16603FCA40634B6A2211E11DB8F0A6A074A7D0D4AFADB7BD76505C3D3AD5544E203F6326C95A807299B23AB13633A5F0,
    0x04AB0B9BCFAC1BBCB2C977D027796B3CE75BB8CA2BE184CB5231413C4D634F3747A87AC2460F415EC961F8855FE9D6F2,
    0x0987C8D5333AB86FDE9926BD2CA6C674170A05BFE3BDD81FFD038DA6C26C842642F64550FEDFE935A15E4CA31870FB29,
    0x09FC4018BD96684BE88C9E221E4DA1BB8F3ABD16679DC26C1E8B6E6A1F20CABE69D65201C78607A360370E577BDBA587,
    0x0E1BBA7A1186BDB5223ABDE7ADA14A23C42A0CA7915AF6FE06985E7ED1E4D43B9B3F7055DD4EBA6F2BAFAAEBCA731C30,
    0x19713E47937CD1BE0DFD0B8F1D43FB93CD2FCBCB6CAF493FD1183E416389E61031BF3A5CCE3FBAFCE813711AD011C132,
    0x18B46A908F36F6DEB918C143FED2EDCC523559B8AAF0C2462E6BFE7F911F643249D9CDF41B44D606CE07C8A4D0074D8E,
    0x0B182CAC101B9399D155096004F53F447AA7B12A3426B08EC02710E807B4633F06C851C1919211F20D4C04F00B971EF8,
    0x0245A394AD1ECA9B72FC00AE7BE315DC757B3B080D4C158013E6632D3C40659CC6CF90AD1C232A6442D9D3F5DB980133,
    0x05C129645E44CF1102A159F748C4A3FC5E673D81D7E86568D9AB0F5D396A7CE46BA1049B6579AFB7866B1E715475224B,
    0x15E6BE4E990F03CE4EA50B3B42DF2EB5CB181D8F84965A3957ADD4FA95AF01B2B665027EFEC01C7704B456BE69C8B604,
)
Y_DENOMINATOR = (
    0x16112C4C3A9C98B252181140FAD0EAE9601A6DE578980BE6EEC3232B5BE72E7A07F3688EF60C206D01479253B03663C1,
    0x1962D75C2381201E1A0CBD6C43C348B885C84FF731C4D59CA4A10356F453E01F78A4260763529E3532F6102C2E49A03D,
    0x058DF3306640DA276FAAAE7D6E8EB15778C4855551AE7F310C35A5DD279CD2ECA6757CD636F96F891E2538B53DBF67F2,
    0x16B7D288798E5395F20D23BF89EDB4D1D115C5DBDDBCD30E123DA489E726AF41727364F2C28297ADA8D26D98445F5416,
    0x0BE0E079545F43E4B00CC912F8228DDCC6D19C9F0F69BBB0542EDA0FC9DEC916A20B15DC0FD2EDEDDA39142311A5001D,
    0x08D9E5297186DB2D9FB266EAAC783182B70152C65550D881C5ECD87B6F0F5A6449F38DB9DFA9CCE202C6477FAAF9B7AC,
    0x166007C08A99DB2FC3BA8734ACE9824B5EECFDFA8D0CF8EF5DD365BC400A0051D5FA9C01A58B1FB93D1A1399126A775C,
    0x16A3EF08BE3EA7EA03BCDDFABBA6FF6EE5A4375EFA1F4FD7FEB34FD206357132B920F5B00801DEE460EE415A15812ED9,
    0x1866C8ED336C61231A1BE54FD1D74CC4F9FB0CE4C6AF5920ABC5750C4BF39B4852CFE2F7BB9248836B233D9D55535D4A,
    0x167A55CDA70A6E1CEA820597D94A84903216F763E13D87BB5308592E7EA7D4FBC7385EA3D529B35E346EF48BB8913F55,
    0x04D2F259EEA405BD48F010A01AD2911D9C6DD039BB61A6290E591B36E636A5C871A5C29F4F83060400F8B49CBA8F6AA8,
    0x0ACCBB67481D033FF5852C1E48C50C477F94FF8AEFCE42D28C0F9A88CEA7913516F968986F7EBBEA9684B529E2561092,
    0x0AD6B9514C767FE3C3613144B45F1496543346D98ADF02267D5CEEF9A00D9B8693000763E3B90AC11E99B138573345CC,
    0x02660400EB2E4F3B628BDD0D53CD76F2BF565B94E72927C1CB748DF27942480E420517BD8714CC80D1FADC1326ED06F7,
    0x0E0FA1D816DDC03E6B24255E0D7819C171C40F65E273B853324EFCD6356CAA205CA2F570F13497804415473A1D634B8F,
    0x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001,
)
