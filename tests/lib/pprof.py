# SPDX-License-Identifier: Apache-2.0
"""Reads pprof profiles and Protocol Buffers' wire format, with nothing but the standard library.

    profile = pprof.parse(data)               # gzip'ed or not; Malformed where it is none
    for sample in profile.samples:
        sample.names                          # ["main", "work"], root first
        sample.values                         # [10309278], one per profile.sample_types
"""

import collections
import zlib

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
UNSIGNED_64 = 1 << 64


class Malformed(ValueError):
    """Not what it should be; the text says where."""


def _varint(data, at):
    if at < len(data) and data[at] < 0x80:  # most are
        return data[at], at + 1
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("bad varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (UNSIGNED_64 - 1), at
        shift += 7


def fields(data):
    """Yields (number, wire type, value); value is an int or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("field number 0")
        if wire == VARINT:
            value, at = _varint(data, at)
        else:
            if wire == BYTES:
                size, at = _varint(data, at)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise Malformed(f"wire type {wire}")
            if size > len(data) - at:
                raise Malformed("field past the end")
            value, at = data[at:at + size], at + size
        yield number, wire, value


class Message:
    """The fields of one message by number."""

    def __init__(self, data):
        if not isinstance(data, bytes):
            raise Malformed("a number where a message should be")
        self.all = collections.defaultdict(list)
        for number, wire, value in fields(data):
            self.all[number].append((wire, value))

    def int(self, number):
        """The last value, signed; 0 where it is left out."""
        if number not in self.all:
            return 0
        wire, value = self.all[number][-1]
        if wire != VARINT:
            raise Malformed(f"field {number} is no number")
        return value - UNSIGNED_64 if value >= UNSIGNED_64 // 2 else value

    def ints(self, number):
        """A repeated number, packed or not."""
        values = []
        for wire, value in self.all.get(number, ()):
            if wire == VARINT:
                values.append(value)
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                values.append(one)
        return [v if v < UNSIGNED_64 // 2 else v - UNSIGNED_64 for v in values]

    def bytes(self, number):
        values = self.repeated(number)
        return values[-1] if values else b""

    def repeated(self, number):
        for wire, _ in self.all.get(number, ()):
            if wire != BYTES:
                raise Malformed(f"field {number} is neither a message nor a string")
        return [value for _, value in self.all.get(number, ())]

    def messages(self, number):
        return [Message(value) for value in self.repeated(number)]


Mapping = collections.namedtuple("Mapping", "id start limit offset path build_id has_functions")
Location = collections.namedtuple("Location", "id mapping address functions")
Sample = collections.namedtuple("Sample", "names values locations labels")


class Profile:
    """A profile.proto message with its references resolved, or Malformed."""

    def __init__(self, data):
        message = Message(data)
        self.size = len(data)
        self._raw_strings = message.repeated(6)
        if not self._raw_strings or self._raw_strings[0] != b"":
            raise Malformed("string 0 should be the empty string")
        self.strings = [self._text(raw) for raw in self._raw_strings]
        self.sample_types = [self._value_type(m) for m in message.messages(1)]
        period_types = message.messages(11)
        self.period_type = self._value_type(period_types[-1]) if period_types else None
        self.period = message.int(12)
        self.time_nanos = message.int(9)
        self.duration_nanos = message.int(10)
        self.mappings = self._by_id(message, 3, self._mapping)
        self.functions = self._by_id(message, 5, lambda m: self._string(m.int(2)))
        self.locations = self._by_id(message, 4, self._location)
        self.samples = [self._sample(m) for m in message.messages(2)]

    @staticmethod
    def _text(raw):
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"invalid utf8 string hex: {raw.hex()}") from error

    def _string(self, index):
        if not 0 <= index < len(self.strings):
            raise Malformed("string index out of range")
        return self.strings[index]

    def _value_type(self, message):
        return self._string(message.int(1)), self._string(message.int(2))

    @staticmethod
    def _by_id(message, number, make):
        elements = {}
        for element in message.messages(number):
            identity = element.int(1)
            if identity <= 0:
                raise Malformed(f"an id of field {number} is {identity}")
            if identity in elements:
                raise Malformed(f"id {identity} of field {number} occurs twice")
            elements[identity] = make(element)
        return elements

    def _mapping(self, m):
        return Mapping(m.int(1), m.int(2), m.int(3), m.int(4), self._string(m.int(5)),
                       self._string(m.int(6)), bool(m.int(7)))

    def _location(self, m):
        mapping = m.int(2)
        if mapping and mapping not in self.mappings:
            raise Malformed(f"no mapping {mapping}")
        names = []
        for line in m.messages(4):
            if line.int(1) not in self.functions:
                raise Malformed(f"no function {line.int(1)}")
            names.append(self.functions[line.int(1)])
        return Location(m.int(1), self.mappings.get(mapping), m.int(3) % UNSIGNED_64, names)

    def _sample(self, m):
        values = m.ints(2)
        if len(values) != len(self.sample_types):
            raise Malformed("sample value length mismatch")
        locations = []
        for identity in m.ints(1):
            if identity not in self.locations:
                raise Malformed(f"no location {identity}")
            locations.append(self.locations[identity])
        locations.reverse()
        labels = {}
        for label in m.messages(3):
            labels[self._string(label.int(1))] = self._string(label.int(2)) or label.int(3)
        # The first line is the innermost inlined call.
        names = [name for location in locations for name in reversed(location.functions)]
        return Sample(names, values, locations, labels)

    def total(self):
        """The sum of the first value of all samples."""
        return sum(sample.values[0] for sample in self.samples)

    def ticks(self):
        return self.total() // self.period

    def folded(self):
        """ticks by "root;...;leaf"."""
        stacks = collections.Counter()
        for sample in self.samples:
            stacks[";".join(sample.names)] += sample.values[0] // self.period
        return stacks


def decompress(data, limit=64 << 20):
    """Plain bytes as they are, gzip'ed ones unpacked; Malformed past the limit."""
    if data[:2] != b"\x1f\x8b":
        return data
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise Malformed(f"bad gzip: {error}") from error
    if len(plain) > limit:
        raise Malformed(f"more than {limit} bytes uncompressed")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("bad gzip: cut short, or something follows")
    return plain


def parse(data):
    return Profile(decompress(data))
