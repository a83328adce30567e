"""ledger.py STORE ACCOUNT: the sums of an account's postings that count, as four texts of base units
(immature, available, in flight, paid), read from the SQLite store beside the API, leg by leg
(common/record/ledger/entry.c has the format). What the pages say is held against this."""
import json
import sqlite3
import struct
import sys

FORMAT, LEG, MINER, CLOSED = 1, struct.Struct("<BBQqQQ"), 1, 2


def sums(store, account):
    kinds = {kind: 0 for kind in (1, 2, 3, 4)}
    pages = store.execute("select p.packed from entry_pages p join sets s on s.id = substr(p.id, 1, 20)"
                          " where s.state >= ?", (CLOSED,))
    for (packed,) in pages:
        assert packed[0] == FORMAT and (len(packed) - 1) % LEG.size == 0
        for owner, kind, who, amount, _, _ in LEG.iter_unpack(packed[1:]):
            if owner == MINER and who == account:
                kinds[kind] += amount
    return [str(kinds[kind]) for kind in (1, 2, 3, 4)]


print(json.dumps(sums(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=20), int(sys.argv[2], 16))))
