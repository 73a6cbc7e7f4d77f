# SPDX-License-Identifier: Apache-2.0
"""Writes, reads and sorts documents, for ever: the interpreter and C extensions in turns."""

import hashlib
import json


def tree(depth):
    if depth == 0:
        return {"name": "leaf", "values": [x * 0.5 for x in range(8)]}
    return {"name": f"node {depth}", "children": [tree(depth - 1) for _ in range(3)]}


def count(node):
    return 1 + sum(count(child) for child in node.get("children", ()))


def words(text):
    return sorted(set(text.replace('"', " ").split()), key=lambda word: word[::-1])


while True:
    document = json.dumps(tree(5))
    count(json.loads(document))
    words(document)
    hashlib.sha256(document.encode()).hexdigest()
