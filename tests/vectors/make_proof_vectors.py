#!/usr/bin/env python3
"""Makes proofs.txt: proofs, good and bad, and what is to be said of each, from Python's hashlib and
integers alone (README.md says what the lines mean; docs/proofs.md the formats). Run by hand when a
vector is added: make_proof_vectors.py > proofs.txt"""
from hashlib import sha256
from random import Random
from struct import pack

MONEY_MAX = 2**63 - 1
random = Random(20261122)


def tagged(tag, message):
    t = sha256(tag.encode()).digest()
    return sha256(t + t + message).digest()


def u128(n):
    return n.to_bytes(16, "little")


class Node:
    def __init__(self, work, amount, hash):
        self.work, self.amount, self.hash = work, amount, hash

    def bytes(self):
        return u128(self.work) + pack("<Q", self.amount) + self.hash


def leaf_bytes(leaf):
    return (leaf["salt"] + bytes([leaf["kind"], len(leaf["name"])]) + leaf["name"] +
            pack("<QH", leaf["account"], leaf["fee"]) + u128(leaf["work"]) + pack("<Q", leaf["amount"]))


def leaf_node(leaf):
    return Node(leaf["work"], leaf["amount"], tagged("adit/proof/leaf", leaf_bytes(leaf)))


def over(a, b):
    work, amount = a.work + b.work, a.amount + b.amount
    if work >= 2**128 or amount > MONEY_MAX:
        return None
    return Node(work, amount, tagged("adit/proof/node", a.bytes() + b.bytes()))


def position(p):
    return pack("<QQI", *p)


def statement_bytes(s):
    return (pack("<Q", s["number"]) + s["previous"] + s["block"] + pack("<I", s["height"]) +
            pack("<QQQ", s["reward"], s["fee"], s["unallocated"]) + pack("<I", s["accounts"]) +
            s["root"].bytes() + bytes([s["empty"]]) + position(s["oldest"]) + position(s["newest"]) +
            u128(s["window"]) + u128(s["network"]) + pack("<Q", s["shares"]) +
            s["scheme"].encode().ljust(16, b"\0"))


def head(s):
    return tagged("adit/proof/head", statement_bytes(s))


def encode(s, leaf, place, path):
    return (b"aPRF\1" + statement_bytes(s) + leaf_bytes(leaf) + pack("<IB", place, len(path)) +
            b"".join(node.bytes() for node in path))


def stretch_of(s):
    return int.from_bytes(s["block"][24:], "big") if s["height"] == 0 and not any(s["block"][:24]) else 0


def check(s, leaf, place, path):
    root = s["root"]
    amounts = [s["reward"], s["fee"], s["unallocated"], root.amount]
    if (stretch_of(s) and (s["accounts"] == 0 or s["empty"] or s["unallocated"])):
        return "PROOF_BAD_TOTALS"
    if (max(amounts) > MONEY_MAX or sum(amounts[1:]) != s["reward"] or
            (s["accounts"] == 0) != (root.work == 0) or (s["accounts"] == 0 and root.amount) or
            (not s["empty"] and s["oldest"] > s["newest"])):
        return "PROOF_BAD_TOTALS"
    if leaf["fee"] > 10000:
        return "PROOF_BAD_FEE"
    if place >= s["accounts"]:
        return "PROOF_BAD_PLACE"
    node, at, last, rest = leaf_node(leaf), place, s["accounts"] - 1, list(path)
    while last > 0:
        if at != last or at % 2:
            if not rest:
                return "PROOF_BAD_LENGTH"
            other = rest.pop(0)
            node = over(other, node) if at % 2 else over(node, other)
            if node is None:
                return "PROOF_OVERFLOW"
            if node.work > root.work or node.amount > root.amount:
                return "PROOF_WRONG_SUMS"
        at, last = at // 2, last // 2
    if rest:
        return "PROOF_BAD_LENGTH"
    if (node.work, node.amount) != (root.work, root.amount):
        return "PROOF_WRONG_SUMS"
    return "PROOF_OK" if node.hash == root.hash else "PROOF_WRONG_ROOT"


def make_leaf(kind):
    names = {1: bytes.fromhex("0014") + random.randbytes(20), 2: b"account-%d" % random.randrange(99),
             3: random.randbytes(8)}
    return {"salt": random.randbytes(32), "kind": kind, "name": names[kind],
            "account": random.getrandbits(64), "fee": random.choice([0, 100, 250, 10000]),
            "work": random.getrandbits(random.choice([8, 64, 100])) + 1,
            "amount": 0}


def make_block(count, number, previous):
    """A statement, its leaves in their order, and each level of its tree."""
    leaves = [make_leaf(1 + i % 3) for i in range(count)]
    reward, unallocated = random.getrandbits(random.choice([10, 40, 60])), random.choice([0, 0, 17])
    work = sum(leaf["work"] for leaf in leaves)
    for leaf in leaves:
        leaf["amount"] = reward * leaf["work"] * (10000 - leaf["fee"]) // (10000 * work)
    levels = sort_and_join(leaves)
    root = levels[-1][0]
    s = {"number": number, "previous": previous, "block": random.randbytes(32),
         "height": 800000 + number, "reward": reward + unallocated, "fee": reward - root.amount,
         "unallocated": unallocated, "accounts": count, "root": root, "empty": 0,
         "oldest": (1700000000000, 3, 7), "newest": (1700000900000, 0, 2), "window": 2 * root.work,
         "network": root.work, "shares": 5 * count, "scheme": random.choice(["pplns", "prop", "solo"])}
    return s, leaves, levels


def make_stretch(count, number, previous, stretch, begin, end):
    """The same of work that was bought at a price, with fractions carried from before."""
    leaves = [make_leaf(1 + i % 3) for i in range(count)]
    block, network = random.getrandbits(40), random.getrandbits(90) + 1
    work = sum(leaf["work"] for leaf in leaves)
    while block * work // network > MONEY_MAX // 2:
        network *= 2
    for leaf in leaves:
        net = block * leaf["work"] * (10000 - leaf["fee"])
        leaf["amount"] = (net + random.randrange(10000 * network)) // (10000 * network)
    levels = sort_and_join(leaves)
    root = levels[-1][0]
    fee = max(0, block * work // network - root.amount)
    s = {"number": number, "previous": previous, "block": bytes(24) + pack(">Q", stretch),
         "height": 0, "reward": fee + root.amount, "fee": fee, "unallocated": 0, "accounts": count,
         "root": root, "empty": 0, "oldest": begin, "newest": end, "window": root.work,
         "network": network, "shares": 7 * count, "scheme": random.choice(["pps", "fpps"])}
    return s, leaves, levels


def sort_and_join(leaves):
    leaves.sort(key=lambda leaf: leaf_node(leaf).hash)
    levels = [[leaf_node(leaf) for leaf in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        level = [over(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(level + below[len(level) * 2:])
    return levels


def path_of(levels, place):
    path = []
    for level in levels[:-1]:
        if place ^ 1 < len(level):
            path.append(level[place ^ 1])
        place //= 2
    return path


def tell(s, leaf, place, path):
    outcome = check(s, leaf, place, path)
    fair = ""
    if outcome == "PROOF_OK":
        due = s["reward"] * leaf["work"] * (10000 - leaf["fee"]) // (10000 * s["root"].work)
        rounding = 2 - (-leaf["work"] * (s["accounts"] + 2) // s["root"].work if stretch_of(s) else 0)
        fair = " fair=%d rounding=%d" % (due, rounding)
        if stretch_of(s):
            assert abs(due - leaf["amount"]) <= rounding
            fair += " worth=%d" % (s["reward"] * s["network"] // s["root"].work)
    print("proof expect=%s%s data=%s" % (outcome, fair, encode(s, leaf, place, path).hex()))


def lies(s, leaf, place, path):
    """Each changes one thing, sealed as well as a cheat can."""
    yield s, {**leaf, "work": leaf["work"] + 1}, place, path
    yield s, {**leaf, "fee": 10001}, place, path
    yield s, {**leaf, "salt": bytes(32)}, place, path
    yield {**s, "reward": s["reward"] + 1}, leaf, place, path
    yield {**s, "reward": 2**63, "unallocated": s["unallocated"] + 2**63 - s["reward"]}, leaf, place, path
    yield {**s, "oldest": s["newest"], "newest": s["oldest"]}, leaf, place, path
    yield {**s, "accounts": 0}, leaf, place, path
    yield s, leaf, s["accounts"], path
    yield s, leaf, place, path + [Node(0, 0, bytes(32))]
    if path:
        yield s, leaf, place, path[:-1]
        first = path[0]
        yield s, leaf, place, [Node(2**128 - 1, first.amount, first.hash)] + path[1:]
        yield s, leaf, place, [Node(first.work, MONEY_MAX, first.hash)] + path[1:]
        yield s, leaf, place, [Node(first.work, first.amount, bytes(32))] + path[1:]
        yield {**s, "root": Node(s["root"].work + 1, s["root"].amount, s["root"].hash)}, leaf, place, path
        yield s, leaf, place ^ 1, path


def malformed(data, leaf_at):
    yield data[:-1]
    yield data + b"\0"
    yield b"aPRF\2" + data[5:]
    yield b""
    for at, value in ((5, bytes(8)),                      # number 0
                      (5 + 32 + 32 + 8 + 4 + 24 + 4 + 56, b"\2"),  # empty is neither 0 nor 1
                      (5 + 241, b'"'), (5 + 256, b"x"),   # no word for a scheme
                      (leaf_at + 32, b"\0"), (leaf_at + 32, b"\4"), (leaf_at + 33, b"\0"),
                      (leaf_at + 33, b"\x61")):
        yield data[:at] + value + data[at + len(value):]


def print_stretches(previous):
    """Behind the blocks: three that follow each other, and one that does not, sealed all the same."""
    places = [(1700001000000, 0, 0), (1700001000000, 4, 9), (1700002000000, 0, 1), (1700002000000, 0, 2)]
    for i, count in enumerate((1, 4, 11)):
        s, leaves, levels = make_stretch(count, 8 + i, previous, 2 + i, places[i], places[i + 1])
        previous = head(s)
        print("statement head=%s data=%s" % (previous.hex(), statement_bytes(s).hex()))
        for place in {0, count // 2, count - 1}:
            tell(s, leaves[place], place, path_of(levels, place))
        place = count // 2
        for lie in lies(s, leaves[place], place, path_of(levels, place)):
            tell(*lie)
        tell({**s, "empty": 1}, leaves[place], place, path_of(levels, place))
        tell({**s, "reward": s["reward"] + 1, "unallocated": 1}, leaves[place], place,
             path_of(levels, place))


def main():
    print("# Made by make_proof_vectors.py; README.md says what the lines mean.")
    previous, chain = bytes(32), []
    for number, count in enumerate((1, 2, 3, 5, 8, 13), 1):
        s, leaves, levels = make_block(count, number, previous)
        previous = head(s)
        chain.append(s)
        print("statement head=%s data=%s" % (previous.hex(), statement_bytes(s).hex()))
        print("commitment number=%d head=%s script=%s" % (
            number, previous.hex(), (b"\x6a\x28adit" + pack("<I", number) + previous).hex()))
        for place in {0, count // 2, count - 1}:
            tell(s, leaves[place], place, path_of(levels, place))
        if count in (1, 5):
            place = count // 2
            for lie in lies(s, leaves[place], place, path_of(levels, place)):
                tell(*lie)
            data = encode(s, leaves[place], place, path_of(levels, place))
            for bad in malformed(data, 5 + 257):
                print("proof expect=PROOF_MALFORMED data=%s" % bad.hex())
    nobody = {**chain[-1], "number": 7, "previous": previous, "accounts": 0, "empty": 1,
              "root": Node(0, 0, bytes(32)), "reward": 50, "fee": 1, "unallocated": 49,
              "oldest": (0, 0, 0), "newest": (0, 0, 0)}
    print("statement head=%s data=%s" % (head(nobody).hex(), statement_bytes(nobody).hex()))
    print_stretches(head(nobody))
    good = b"\x6a\x28adit" + pack("<I", 7) + previous
    for bad in (good[:-1], good + b"\0", b"\x6a\x27" + good[2:], good[:5] + b"T" + good[6:]):
        print("commitment script=%s" % bad.hex())


main()
