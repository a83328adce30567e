#!/usr/bin/env python3
"""Makes consensus.txt from nothing but Python's hashlib and integers, so that the vectors share no
code with what they test. Run by hand when a vector is added: make_vectors.py > consensus.txt
(README.md says what the lines mean)."""
import hashlib
import hmac
import struct
import sys
from fractions import Fraction

COIN = 100000000
EASIEST = 0x207FFFFF


def sha256(b):
    return hashlib.sha256(b).digest()


def sha256d(b):
    return sha256(sha256(b))


def hash160(b):
    return hashlib.new("ripemd160", sha256(b)).digest()


def pow_hash(algorithm, header):
    if algorithm == "sha256d":
        return sha256d(header)
    if algorithm == "blake2s":
        return hashlib.blake2s(header).digest()
    return hashlib.scrypt(header, salt=header, n=1024, r=1, p=1, dklen=32)


def compact(n):
    if n < 0xFD:
        return bytes([n])
    if n <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", n)
    if n <= 0xFFFFFFFF:
        return b"\xfe" + struct.pack("<I", n)
    return b"\xff" + struct.pack("<Q", n)


def height_push(height):
    if height == 0:
        return b"\0"
    if height <= 16:
        return bytes([0x50 + height])
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    return bytes([len(number)]) + number


def bits_to_target(bits):
    size, word = bits >> 24, bits & 0x7FFFFF
    target = word >> (8 * (3 - size)) if size <= 3 else word << (8 * (size - 3))
    if bits & 0x800000 or target == 0 or target >= 1 << 256:
        return None
    return target


def target_to_bits(target):
    size = (target.bit_length() + 7) // 8
    word = target << (8 * (3 - size)) if size <= 3 else target >> (8 * (size - 3))
    if word & 0x800000:
        word >>= 8
        size += 1
    return size << 24 | word


# --- secp256k1, for the signatures in blocks -----------------------------------------------------
P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def point_add(a, b):
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def point_mul(k, point=G):
    result = None
    while k:
        if k & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        k >>= 1
    return result


def public_key(secret):
    x, y = point_mul(secret)
    return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")


def der_integer(n):
    b = n.to_bytes((n.bit_length() + 8) // 8, "big")
    return b"\x02" + bytes([len(b)]) + b


def sign(secret, digest, high_s=False):
    k = int.from_bytes(hmac.new(secret.to_bytes(32, "big"), digest, "sha256").digest(), "big") % N
    r = point_mul(k)[0] % N
    s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * secret) % N
    if (s > N // 2) != high_s:
        s = N - s
    body = der_integer(r) + der_integer(s)
    return b"\x30" + bytes([len(body)]) + body + b"\x01"


KEY = int.from_bytes(sha256(b"consensus vectors"), "big")
PUBLIC = public_key(KEY)
P2WPKH = b"\0\x14" + hash160(PUBLIC)
P2PKH = b"\x76\xa9\x14" + hash160(PUBLIC) + b"\x88\xac"


# --- transactions and blocks ---------------------------------------------------------------------
class Tx:
    def __init__(self, inputs, outputs, version=2, lock_time=0):
        """inputs: (txid, index, script, sequence); outputs: (value, script)"""
        self.version, self.lock_time = version, lock_time
        self.inputs, self.outputs = [list(i) for i in inputs], list(outputs)
        self.witness = [[] for _ in inputs]

    def encode(self, with_witness=True):
        b = struct.pack("<I", self.version)
        witness = with_witness and any(self.witness)
        if witness:
            b += b"\0\1"
        b += compact(len(self.inputs))
        for txid, index, script, sequence in self.inputs:
            b += txid + struct.pack("<I", index) + compact(len(script)) + script
            b += struct.pack("<I", sequence)
        b += compact(len(self.outputs))
        for value, script in self.outputs:
            b += struct.pack("<q", value) + compact(len(script)) + script
        if witness:
            for stack in self.witness:
                b += compact(len(stack)) + b"".join(compact(len(i)) + i for i in stack)
        return b + struct.pack("<I", self.lock_time)

    def txid(self):
        return sha256d(self.encode(False))

    def wtxid(self):
        return sha256d(self.encode(True))

    def sign_p2wpkh(self, index, value, secret=KEY, high_s=False):
        outpoints = b"".join(i[0] + struct.pack("<I", i[1]) for i in self.inputs)
        sequences = b"".join(struct.pack("<I", i[3]) for i in self.inputs)
        outputs = b"".join(struct.pack("<q", v) + compact(len(s)) + s for v, s in self.outputs)
        i = self.inputs[index]
        code = b"\x76\xa9\x14" + hash160(PUBLIC) + b"\x88\xac"
        digest = sha256d(struct.pack("<I", self.version) + sha256d(outpoints) +
                         sha256d(sequences) + i[0] + struct.pack("<I", i[1]) + compact(25) + code +
                         struct.pack("<q", value) + struct.pack("<I", i[3]) + sha256d(outputs) +
                         struct.pack("<II", self.lock_time, 1))
        self.witness[index] = [sign(secret, digest, high_s), public_key(secret)]
        return self

    def sign_p2pkh(self, index):
        saved = [i[2] for i in self.inputs]
        for n, i in enumerate(self.inputs):
            i[2] = P2PKH if n == index else b""
        digest = sha256d(self.encode(False) + struct.pack("<I", 1))
        for i, script in zip(self.inputs, saved):
            i[2] = script
        signature = sign(KEY, digest)
        self.inputs[index][2] = compact(len(signature)) + signature + compact(33) + PUBLIC
        return self


def merkle(leaves):
    if not leaves:
        return bytes(32)
    while len(leaves) > 1:
        if len(leaves) % 2:
            leaves = leaves + leaves[-1:]
        leaves = [sha256d(leaves[i] + leaves[i + 1]) for i in range(0, len(leaves), 2)]
    return leaves[0]


def commitment_script(txs, reserved=bytes(32)):
    root = merkle([bytes(32)] + [t.wtxid() for t in txs[1:]])
    return b"\x6a\x24\xaa\x21\xa9\xed" + sha256d(root + reserved)


def coinbase(height, value, script=None, outputs=None):
    if script is None:
        script = height_push(height) + b"\x04vect"
    return Tx([(bytes(32), 0xFFFFFFFF, script, 0xFFFFFFFF)],
              outputs if outputs is not None else [(value, P2WPKH)])


class Place:
    """Where a block goes: all it needs to know of the chain below it."""

    def __init__(self, algorithm, previous, height, median_time, time, subsidy=50 * COIN):
        self.algorithm, self.previous, self.height = algorithm, previous, height
        self.median_time, self.time, self.subsidy = median_time, time, subsidy

    def block(self, txs=(), fees=0, **changes):
        """A valid block, or one with the given parts put differently."""
        get = changes.get
        cb = get("coinbase") or coinbase(get("height", self.height),
                                         self.subsidy + fees + get("extra", 0),
                                         get("coinbase_script"))
        txs = [cb] + list(txs)
        if get("witness", True):
            cb.witness[0] = [get("reserved", bytes(32))]
            cb.outputs.append((0, get("commitment") or commitment_script(txs)))
        root = get("root") or merkle([t.txid() for t in txs])
        head = struct.pack("<I", get("version", 0x20000000)) + get("previous", self.previous)
        head += root + struct.pack("<II", get("time", self.time), get("bits", EASIEST))
        target = bits_to_target(get("bits", EASIEST))
        for nonce in range(1 << 20):
            header = head + struct.pack("<I", nonce)
            good = int.from_bytes(pow_hash(self.algorithm, header), "little") <= target
            if good != get("high_hash", False):
                break
        body = get("listed", txs)
        return header + compact(len(body)) + b"".join(t.encode() for t in body)


def spend(coin, outputs, sequence=0xFFFFFFFF, lock_time=0):
    """coin: (txid, index, value) of a P2WPKH output to KEY"""
    return Tx([(coin[0], coin[1], b"", sequence)], outputs, lock_time=lock_time)


def hostile_blocks(place, mature, immature, now):
    """(name, expected word, block) on one tip; nothing of it changes the chain. `mature` and
    `immature` are coins (txid, index, value) of coinbases."""
    value = mature[2]
    good = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value)
    unsigned = spend(mature, [(value - 1000, P2WPKH)])
    second = spend(mature, [(value - 2000, P2WPKH)]).sign_p2wpkh(0, value)
    yield "work above the target", "high-hash", place.block(high_hash=True)
    yield "merkle root of something else", "bad-txnmrklroot", place.block(root=sha256(b"other"))
    # Three leaves and four with the last doubled have one root (CVE-2012-2459).
    a = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value)
    b = spend((a.txid(), 0, value - 1000), [(value - 2000, P2WPKH)]).sign_p2wpkh(0, value - 1000)
    cb = coinbase(place.height, place.subsidy + 2000)
    cb.witness[0] = [bytes(32)]
    cb.outputs.append((0, commitment_script([cb, a, b])))
    yield ("last transaction doubled under the same root", "bad-txns-duplicate",
           place.block(coinbase=cb, witness=False, listed=[cb, a, b, b],
                       root=merkle([cb.txid(), a.txid(), b.txid()])))
    yield ("a transaction twice", "bad-txns-inputs-missingorspent",
           place.block([good, good], fees=2000))
    yield "no coinbase", "bad-cb-missing", place.block(coinbase=good, witness=False, listed=[good],
                                                        root=good.txid())
    other = coinbase(place.height, 1)
    yield "a second coinbase", "bad-cb-multiple", place.block([other])
    yield "coinbase script too long", "bad-cb-length", place.block(
        coinbase_script=height_push(place.height) + bytes(101 - len(height_push(place.height))))
    yield "coinbase script too short", "bad-cb-length", place.block(coinbase_script=b"\x51")
    yield "bits of an easier chain", "bad-diffbits", place.block(bits=0x207FFFFE)
    yield "bits above the limit", "high-hash", place.block(bits=0x2100FFFF)
    yield "time at the median", "time-too-old", place.block(time=place.median_time)
    yield "time two hours and a bit ahead", "time-too-new", place.block(time=now + 7300)
    yield "version 3", "bad-version", place.block(version=3)
    yield "parent unknown", "prev-blk-not-found", place.block(previous=sha256(b"nobody"))
    yield "height of the next block", "bad-cb-height", place.block(
        coinbase_script=height_push(place.height + 1) + b"\x04vect")
    yield ("height pushed the long way", "bad-cb-height",
           place.block(coinbase_script=b"\x02" + struct.pack("<H", place.height) + b"\x04vect"
                       if place.height <= 16 else
                       b"\x04" + struct.pack("<I", place.height) + b"\x04vect"))
    yield "one unit too much", "bad-cb-amount", place.block(extra=1)
    yield "fees claimed that nobody paid", "bad-cb-amount", place.block([good], fees=1001)
    yield "commitment to other transactions", "bad-witness-merkle-match", place.block(
        [good], fees=1000, commitment=b"\x6a\x24\xaa\x21\xa9\xed" + sha256(b"other"))
    yield "reserved value of 31 bytes", "bad-witness-nonce-size", place.block(reserved=bytes(31))
    yield "another reserved value than committed to", "bad-witness-merkle-match", place.block(
        reserved=b"\1" + bytes(31))
    yield "witness without commitment", "unexpected-witness", place.block([good], fees=1000,
                                                                           witness=False)
    late = spend(mature, [(value - 1000, P2WPKH)], 0xFFFFFFFE, place.height).sign_p2wpkh(0, value)
    yield "lock time at this height", "bad-txns-nonfinal", place.block([late], fees=1000)
    unknown = spend((sha256(b"coin"), 0, value), [(1000, P2WPKH)]).sign_p2wpkh(0, value)
    yield "a coin that never was", "bad-txns-inputs-missingorspent", place.block([unknown])
    yield "two that spend one coin", "bad-txns-inputs-missingorspent", place.block([good, second],
                                                                                   fees=3000)
    child = spend((good.txid(), 0, value - 1000), [(value - 2000, P2WPKH)])
    child.sign_p2wpkh(0, value - 1000)
    yield "child before parent", "bad-txns-inputs-missingorspent", place.block([child, good],
                                                                               fees=2000)
    early = spend(immature, [(immature[2] - 1000, P2WPKH)]).sign_p2wpkh(0, immature[2])
    yield ("a coinbase spent too early", "bad-txns-premature-spend-of-coinbase",
           place.block([early], fees=1000))
    more = spend(mature, [(value + 1, P2WPKH)]).sign_p2wpkh(0, value)
    yield "more out than in", "bad-txns-in-belowout", place.block([more])
    negative = spend(mature, [(-1, P2WPKH)]).sign_p2wpkh(0, value)
    yield "a negative output", "bad-txns-vout-negative", place.block([negative])
    huge = spend(mature, [(21000000 * COIN + 1, P2WPKH)]).sign_p2wpkh(0, value)
    yield "more than all coins", "bad-txns-vout-toolarge", place.block([huge])
    halves = spend(mature, [(21000000 * COIN, P2WPKH), (1, P2WPKH)]).sign_p2wpkh(0, value)
    yield "more than all coins together", "bad-txns-txouttotal-toolarge", place.block([halves])
    doubled = Tx([(mature[0], mature[1], b"", 0xFFFFFFFF)] * 2, [(value, P2WPKH)])
    doubled.sign_p2wpkh(0, value).sign_p2wpkh(1, value)
    yield "one coin twice in a transaction", "bad-txns-inputs-duplicate", place.block([doubled])
    null = Tx([(mature[0], mature[1], b"", 0xFFFFFFFF), (bytes(32), 0xFFFFFFFF, b"", 0xFFFFFFFF)],
              [(value, P2WPKH)])
    yield "a coinbase's input beside another", "bad-txns-prevout-null", place.block([null])
    nothing = Tx([(mature[0], mature[1], b"", 0xFFFFFFFF)], [])
    yield "no outputs", "bad-txns-vout-empty", place.block([nothing])
    script = "mandatory-script-verify-flag-failed"
    yield "no signature", script, place.block([unsigned], fees=1000)
    forged = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value, secret=KEY + 1)
    yield "another key's signature", script, place.block([forged], fees=1000)
    changed = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value)
    changed.outputs[0] = (value - 999, P2WPKH)
    yield "an output changed after signing", script, place.block([changed], fees=999)
    wrong_value = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value - 1)
    yield "a signature over another input value", script, place.block([wrong_value], fees=1000)
    stuffed = spend(mature, [(value - 1000, P2WPKH)]).sign_p2wpkh(0, value)
    stuffed.inputs[0][2] = b"\x51"
    yield "a script beside the witness", script, place.block([stuffed], fees=1000)


# --- the file ------------------------------------------------------------------------------------
def line(kind, **fields):
    print(kind + "".join(f' {k}="{v}"' if " " in str(v) else f" {k}={v}"
                         for k, v in fields.items()))


def shown(digest):
    return digest[::-1].hex()


def make_small():
    for height in (0, 1, 16, 17, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 227931, 500000,
                   840000, 8388607, 8388608, 16777215, 16777216, 2147483647, 2147483648):
        line("height_push", height=height, push=height_push(height).hex())
    for bits in (0x207FFFFF, 0x1D00FFFF, 0x1B0404CB, 0x170331DB, 0x1E0FFFF0, 0x03123456, 0x02008000,
                 0x04123456, 0x05009234, 0x207FFFFE, 0x20123456, 0x01010000, 0x03000001):
        line("bits", bits=f"{bits:08x}", target=f"{bits_to_target(bits):064x}", valid="yes")
    for bits in (0x20FFFFFF, 0x1D80FFFF, 0x00000000, 0x1D000000, 0x04923456, 0x01003456, 0x02000056,
                 0x23000100, 0xFF123456, 0x22010000):
        line("bits", bits=f"{bits:08x}", valid="no")
    for bits in (0x21008000, 0x2100FFFF):  # targets of 256 bits, easier than regtest allows
        line("bits", bits=f"{bits:08x}", target=f"{bits_to_target(bits):064x}", valid="no-header")
    for target in (1, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFFFF, 0x800000, 0x12345678, 0xFFFF << 208,
                   (1 << 224) - 1, 0x7FFFFF << 232):
        line("compact", target=f"{target:064x}", bits=f"{target_to_bits(target):08x}")
    headers = ["010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4b"
               "a744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
               "00" * 80, "ff" * 80, bytes(range(80)).hex()]
    for header in headers:
        for algorithm in ("sha256d", "blake2s", "scrypt"):
            line("pow", algorithm=algorithm, header=header,
                 hash=shown(pow_hash(algorithm, bytes.fromhex(header))))
    for work in (1, 2, 3, 65536, 4294967, 4294967296, 3 << 32, 16384 << 32, (1 << 53) - 1, 1 << 63):
        for algorithm, k in (("sha256d", 32), ("blake2s", 32), ("scrypt", 16)):
            line("work", algorithm=algorithm, work=work, difficulty=repr(work / 2**k),
                 target=f"{(0xFFFF << 240) // work:064x}")
    for count in (1, 2, 3, 4, 5, 7, 8, 9, 33):
        leaves = [sha256d(struct.pack("<II", count, i)) for i in range(count)]
        line("merkle", leaves=",".join(x.hex() for x in leaves), root=merkle(leaves).hex())


def make_transactions():
    cb = coinbase(1234567, 50 * COIN)
    mid = cb.txid()
    legacy = Tx([(mid, 0, b"", 0xFFFFFFFF)], [(49 * COIN, P2PKH)], version=1).sign_p2pkh(0)
    plain = spend((mid, 0, 50 * COIN), [(1, P2WPKH), (2, P2PKH)]).sign_p2wpkh(0, 50 * COIN)
    cb.witness[0] = [bytes(32)]
    txs = [cb, legacy, plain]
    cb.outputs.append((0, commitment_script(txs)))
    for tx in txs:
        line("tx", data=tx.encode().hex(), txid=shown(tx.txid()), wtxid=shown(tx.wtxid()))
    line("commitment", txs=",".join(t.encode().hex() for t in txs), reserved="00" * 32,
         script=commitment_script(txs).hex())
    line("commitment", txs=cb.encode().hex(), reserved="00" * 32,
         script=commitment_script([cb]).hex())
    for text, script in (
            ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
             "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
            ("BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080",
             "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
            ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
             "76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac"),
            ("2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc",
             "a9144e9f39ca4688ff102128ea4ccda34105324305b087")):
        line("address", text=text, script=script)
    for text in ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                 "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081",
                 "bcrt1Qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
                 "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfm", "", "x", "bcrt1", "0", "bcrt1q"):
        line("address", text=text, script="none")


def make_chain(algorithm, now, hostile):
    """A chain on devnode's genesis block: three blocks, then what must be refused, then a block
    that spends, and what must be refused after it."""
    genesis_tx = Tx([(bytes(32), 0xFFFFFFFF, b"\0devnode " + algorithm.encode(), 0xFFFFFFFF)],
                    [(50 * COIN, b"\x6a")])
    header = (struct.pack("<I", 0x20000000) + bytes(32) + genesis_tx.txid() +
              struct.pack("<III", 1296688602, EASIEST, 0))
    previous, time = sha256d(header), 1296688602
    line("chain", algorithm=algorithm, bits=f"{EASIEST:08x}", maturity=3, now=now,
         genesis=shown(previous))
    times, coins, raw = [time], [], b""
    for height in (1, 2, 3):
        time += 600
        place = Place(algorithm, previous, height, sorted(times)[len(times) // 2], time)
        cb = coinbase(height, 50 * COIN)
        raw = place.block(coinbase=cb)
        line("block", name=f"block {height}", expect="accepted", data=raw.hex())
        coins.append((cb.txid(), 0, 50 * COIN))
        times.append(time)
        previous = sha256d(raw[:80])
    line("block", name="block 3 again", expect="duplicate", data=raw.hex())
    time += 600
    place = Place(algorithm, previous, 4, sorted(times)[len(times) // 2], time)
    if hostile:
        for name, word, raw in hostile_blocks(place, coins[0], coins[1], now):
            line("block", name=name, expect=word, data=raw.hex())
    else:
        line("block", name="work above the target", expect="high-hash",
             data=place.block(high_hash=True).hex())
    good = spend(coins[0], [(20 * COIN, P2WPKH), (30 * COIN - 1000, P2PKH)])
    good.sign_p2wpkh(0, coins[0][2])
    child = Tx([(good.txid(), 1, b"", 0xFFFFFFFF)], [(30 * COIN - 3000, P2WPKH)]).sign_p2pkh(0)
    cb = coinbase(4, 50 * COIN + 3000)
    raw = place.block([good, child], coinbase=cb)
    line("block", name="a block that spends, with a child of its own", expect="accepted",
         data=raw.hex())
    other = place.block()
    line("block", name="another block beside it", expect="inconclusive", data=other.hex())
    times.append(time)
    place = Place(algorithm, sha256d(raw[:80]), 5, sorted(times)[len(times) // 2], time + 600)
    again = spend(coins[0], [(coins[0][2] - 1000, P2WPKH)]).sign_p2wpkh(0, coins[0][2])
    line("block", name="a coin spent in the block before", expect="bad-txns-inputs-missingorspent",
         data=place.block([again], fees=1000).hex())
    place = Place(algorithm, sha256d(other[:80]), 5, sorted(times)[len(times) // 2], time + 600)
    raw = place.block([again], fees=1000)
    line("block", name="the branch overtakes, where that coin is unspent", expect="accepted",
         data=raw.hex())


def main():
    print("# Made by make_vectors.py; README.md says what the lines mean.")
    make_small()
    make_transactions()
    make_chain("sha256d", 1296700000, True)
    make_chain("blake2s", 1296700000, False)
    make_chain("scrypt", 1296700000, False)


if __name__ == "__main__":
    sys.exit(main())
