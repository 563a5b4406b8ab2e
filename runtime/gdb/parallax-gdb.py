# runtime/gdb/parallax-gdb.py: gdb commands that show a heap as the collector sees it.
#
#   source parallax-gdb.py      (or let gdb load it: it is installed beside the library)
#   plx heap HEAP               sizes, phase, the cycle under way, regions by kind
#   plx object HEAP ADDRESS     layout, length, size, mark bit, slots; region and page below it
#   plx region HEAP ADDRESS     kind, bits, bytes allocated and live
#   plx page HEAP ADDRESS       state and flags, extent, where the alias shows it
#   plx forward HEAP ADDRESS    where an object of an evacuated region goes
#
# HEAP is an expression: a struct plx_heap *, or a struct plx_thread *. ADDRESS may be a word with a
# tag, if the heap has a mask and a pattern for them. Needs the library's debug
# information. Reads memory only; nothing of the process is called.
import gdb

REGION_BITS = (
    (0x01, "young"), (0x02, "sparse"), (0x04, "half"), (0x08, "dense"), (0x20, "target"),
    (0x40, "evacuated"), (0x80, "black"),
)
GRANULE_SHIFT = 3
FORWARD_SHIFT = 9
HEADER_LENGTH_SHIFT = 24


def heap_of(text):
    value = gdb.parse_and_eval(text)
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        name = str(value.type.target().unqualified())
        if name == "struct plx_thread":
            value = value["heap"]
    return value.cast(gdb.lookup_type("struct plx_heap").pointer()).dereference()["gc"]


def words(bits, names):
    found = [name for bit, name in names if bits & bit]
    return " ".join(found) if found else "none"


def untag(tags, word):
    # A classifier is the process's own: its words are not taken apart here.
    if not tags["any"] or int(tags["classify"]) or word & int(tags["mask"]) != int(tags["pattern"]):
        return word
    return word - int(tags["pattern"])


class Place:
    """An address of a heap, and the tables' entries for it."""

    def __init__(self, heap, address):
        address = untag(heap["tags"], address)
        self.heap = heap
        self.address = address
        view = heap["view"]
        self.offset = address - int(view["heap"])
        if not 0 <= self.offset < int(view["total_bytes"]):
            raise gdb.GdbError("0x%x is not in the heap's view" % address)
        self.number = self.offset >> int(heap["regions"]["region_shift"])
        self.region = heap["regions"]["table"][self.number]
        self.bits = int(heap["regions"]["bits"][self.number])
        self.page = self.offset >> int(view["page_shift"])
        self.in_region = self.offset & (int(heap["regions"]["region_bytes"]) - 1)

    def marked(self):
        index = self.offset >> GRANULE_SHIFT
        return bool(int(self.heap["markbits"]["words"][index >> 6]) >> (index & 63) & 1)

    def readable(self):
        # While pages are away, objects are read where the collector reads them.
        leaf = self.offset >= int(self.heap["view"]["range_bytes"])
        return self.address + (0 if leaf else int(self.heap["cycle"]["object_delta"]))

    def header(self):
        pointer = gdb.lookup_type("unsigned long").pointer()
        return int(gdb.Value(self.readable()).cast(pointer).dereference())

    def forwarded(self):
        if not self.bits & 0x40:
            return None
        entry = self.heap["forward"]["entries"][self.offset >> FORWARD_SHIFT]
        granule = self.offset >> GRANULE_SHIFT & 63
        before = int(entry["live"]) & ((1 << granule) - 1)
        return int(entry["target"]) + (bin(before).count("1") << GRANULE_SHIFT)


def show_region(place):
    gdb.write("region %d: %s, bits: %s; %d bytes allocated, %d live; +0x%x\n" % (
        place.number, gdb_enum("enum gc_region_kind", place.region["kind"]),
        words(place.bits, REGION_BITS), int(place.region["allocated_bytes"]),
        int(place.region["live_bytes"]), place.in_region))


def gdb_enum(name, value):
    return str(gdb.Value(int(value)).cast(gdb.lookup_type(name))).lower()


def show_page(place):
    pages, view = place.heap["pages"], place.heap["view"]
    extent = place.offset >> int(view["extent_shift"])
    gdb.write("page %d: %s, flags 0x%x; extent %d: %s; alias at 0x%x\n" % (
        place.page, gdb_enum("enum gc_page_state", pages["states"][place.page]),
        int(pages["flags"][place.page]), extent,
        gdb_enum("enum gc_extent_state", place.heap["extents"]["states"][extent]),
        int(view["alias"]) + place.offset if int(view["alias"]) else 0))


def show_forward(place):
    to = place.forwarded()
    gdb.write("stays\n" if to is None else "moves to 0x%x\n" % to)


def show_object(place):
    header = place.header()
    number, length = header & 0xFFFFF, header >> HEADER_LENGTH_SHIFT
    if not 0 < number < int(place.heap["types"]["count"]):
        raise gdb.GdbError("0x%x has the header 0x%x: no object starts there" % (
            place.address, header))
    kind = place.heap["types"]["types"][number]
    size = int(kind["pub"]["fixed_bytes"]) + length * int(kind["pub"]["element_bytes"])
    gdb.write("object: layout %d (%s), length %d, %d bytes, %s\n" % (
        number, str(kind["kind"]).lower(), length, (size + 7) & ~7,
        "marked" if place.marked() else "not marked"))
    show_forward(place)


def show_heap(heap):
    regions, cycle, stats = heap["regions"], heap["cycle"], heap["stats"]
    gdb.write("heap at 0x%x, alias at 0x%x: %d of %d regions of %d KiB used, %d free resident\n" % (
        int(heap["view"]["heap"]), int(heap["view"]["alias"]), int(regions["used"]),
        int(regions["max_regions"]), int(regions["region_bytes"]) >> 10,
        int(regions["resident_free"])))
    gdb.write("%s, %d cycles ended; this one: %d regions evacuated into %d, %d dirty pages\n" % (
        str(heap["phase"]).lower(), int(stats["cycles"]), int(cycle["evacuated_count"]),
        int(cycle["target_count"]), int(cycle["dirty_pages"])))
    kinds = {}
    for which in range(2):
        part = regions["ranges"][which]
        for number in range(int(part["first"]), int(part["first"]) + int(part["high_water"])):
            name = gdb_enum("enum gc_region_kind", regions["table"][number]["kind"])
            kinds[name] = kinds.get(name, 0) + 1
    gdb.write("regions ever used: %s\n" % ", ".join(
        "%d %s" % (count, name) for name, count in sorted(kinds.items())))


class PlxCommand(gdb.Command):
    """Show a Parallax heap: plx heap|object|region|page|forward HEAP [ADDRESS]"""

    PARTS = {
        "object": (show_object, show_region, show_page),
        "region": (show_region,),
        "page": (show_page,),
        "forward": (show_forward,),
    }

    def __init__(self):
        super().__init__("plx", gdb.COMMAND_DATA)

    def invoke(self, text, from_tty):
        arguments = gdb.string_to_argv(text)
        if len(arguments) == 2 and arguments[0] == "heap":
            show_heap(heap_of(arguments[1]))
        elif len(arguments) == 3 and arguments[0] in self.PARTS:
            address = int(gdb.parse_and_eval(arguments[2]).cast(
                gdb.lookup_type("unsigned long")))
            place = Place(heap_of(arguments[1]), address)
            for show in self.PARTS[arguments[0]]:
                show(place)
        else:
            raise gdb.GdbError("usage: " + self.__doc__.split(": ")[1])


PlxCommand()
