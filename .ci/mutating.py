"""What can be changed in src/, and a copy of src/ that has all of it: each function with an arm for each of its mutants."""

import collections, json, pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ["--package", "supervisor-events"]
# defmt's views need firmware to read them (tests/live/firmware.rs). The other file is a test itself.
LEFT_OUT = {"src/format.rs", "src/wire/agreement.rs"}
SWITCH = """
/// The number of the mutant that is on: 0, none, where the compiler asks.
pub(crate) const fn active(function: u32) -> u32 {
    core::intrinsics::const_eval_select((function,), none, chosen)
}
const fn none(_: u32) -> u32 {
    0
}
fn chosen(function: u32) -> u32 {
    extern crate std;
    use std::io::Write;
    static MUTANT: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var("MUTANT").map_or(0, |number| number.parse().unwrap()));
    static CALLS: std::sync::LazyLock<Option<std::sync::Mutex<(std::fs::File, std::collections::BTreeSet<u32>)>>> =
        std::sync::LazyLock::new(|| {
            let path = std::env::var_os("MUTANT_CALLS")?;
            let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            Some(std::sync::Mutex::new((file, std::collections::BTreeSet::new())))
        });
    if let Some(calls) = &*CALLS {
        let mut calls = calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if calls.1.insert(function) {
            std::writeln!(calls.0, "{function}").unwrap();
        }
    }
    *MUTANT
}
"""


def without_prelude(name, replacement):
    """cargo-mutants takes names for granted that `#![no_std]` does not have, and some that a constant cannot call."""
    replacement = re.sub(r"Vec::leak\(Vec::new\(\)\)", "Vec::leak(vec![])", replacement)
    if "mut [" in name.split(" with ")[0]:
        replacement = re.sub(r"Vec::leak\(vec!(\[\w*\])\)", r"{ extern crate std; std::vec!\1.leak() }", replacement)
    else:
        replacement = re.sub(r"Vec::leak\(vec!(\[\w*\])\)", r"&\1", replacement)
    return replacement.replace(
        "Box::leak(Box::new(Default::default()))", "{ extern crate std; std::boxed::Box::leak(Default::default()) }"
    )


class Mutant:
    """A change: the text between two offsets of a file becomes another one."""

    def __init__(self, file, function, name, start, end, replacement):
        self.file, self.function, self.name = file, function, name
        self.start, self.end, self.replacement = start, end, without_prelude(name, replacement)
        self.error = "does not compile alone"

    def apply(self, text, begin, end):
        """The part of the text from `begin` to `end`, changed."""
        return text[begin : self.start] + self.replacement + text[self.end : end]


class Function:
    """A function that has mutants: where its body is, without the braces."""

    def __init__(self, file, name, start, end, text):
        self.file, self.name, self.start, self.end = file, name, start, end
        # The first brace after the signature: no signature here has one in it.
        signature = re.compile(r"^(?!\s*(//|#)).*?\bfn\b", re.M).search(text, text.rfind("\n", 0, start) + 1)
        self.begin = text.index("{", signature.end()) + 1
        self.finish = text.rindex("}", self.begin, end)
        self.is_const = "const fn" in signature.group()
        self.mutants, self.whole = [], False


# ---- What can be changed. ----


def offset(starts, place):
    return starts[place["line"] - 1] + place["column"] - 1


def deleted_statements(text, function):
    """The statements of one line that compute nothing that a name is given to."""
    line_start = text.index("\n", function.begin) + 1
    before = "{"
    while line_start < function.finish:
        line_end = text.index("\n", line_start)
        line = text[line_start:line_end].strip()
        begins = before.endswith((";", "{", "}"))
        is_statement = re.match(r"(?!(let|return|break|continue|use|const|static|(debug_)?assert\w*)\b)[\w(*].*;$", line)
        if begins and is_statement and line.count("(") == line.count(")"):
            yield line, line_start, line_end
        if line and not line.startswith("//"):
            before = line
        line_start = line_end + 1


def list_mutants(texts):
    """All functions with mutants, and the mutants that are in no function."""
    listed = subprocess.run(
        ["cargo", "mutants", "--list", "--json", *PACKAGE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    functions, outside = {}, []
    for entry in json.loads(listed.stdout):
        file = entry["file"]
        if file in LEFT_OUT:
            continue
        text = texts[file]
        starts = [0, *(found.end() for found in re.finditer("\n", text))]
        span, name = entry["span"], re.sub(r"^([^:]*):\d+:\d+: ", r"\1: ", entry["name"])
        begin, end = offset(starts, span["start"]), offset(starts, span["end"])
        function = entry["function"]
        if function and "defmt::Format" in function["function_name"]:
            continue
        if function is None:
            outside.append(Mutant(file, None, name, begin, end, entry["replacement"]))
            continue
        place = (file, offset(starts, function["span"]["start"]), offset(starts, function["span"]["end"]))
        owner = functions.setdefault(place, Function(file, function["function_name"], *place[1:], text))
        owner.mutants.append(Mutant(file, owner, name, begin, end, entry["replacement"]))
    # A function in another one belongs to that.
    for place, inner in list(functions.items()):
        outer = [other for at, other in functions.items() if at[0] == place[0] and at[1] < place[1] and place[2] <= at[2]]
        if outer:
            outer[0].mutants += inner.mutants
            for mutant in inner.mutants:
                mutant.function = outer[0]
            del functions[place]
    for function in functions.values():
        text = texts[function.file]
        for line, begin, end in deleted_statements(text, function):
            name = f"{function.file}: delete {line} in {function.name}"
            function.mutants.append(Mutant(function.file, function, name, begin, end, ""))
        function.mutants.sort(key=lambda mutant: mutant.start)
    # Names without lines survive edits. The second of the same name is told by its number.
    names = collections.Counter()
    for mutant in [*outside, *(mutant for function in functions.values() for mutant in function.mutants)]:
        names[mutant.name] += 1
        if names[mutant.name] > 1:
            mutant.name += f" ({names[mutant.name]})"
    return list(functions.values()), outside


# ---- The copy. ----


def write(path, text):
    """Writes the file if it differs: cargo looks at its time."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_switched(tree, texts, functions, numbers):
    """Writes src/ with all mutants, and returns for each file which lines belong to which mutant or function."""
    owners = {}
    for file, text in texts.items():
        pieces, at, line, lines = [], 0, 1, []

        def put(piece, owner=None):
            nonlocal line
            after = line + piece.count("\n")
            if owner:
                lines.append((line, after - piece.endswith("\n"), owner))
            pieces.append(piece)
            line = after

        mine = [function for function in functions if function.file == file and function.mutants and not function.whole]
        for number, function in sorted(((functions.index(f), f) for f in mine), key=lambda item: item[1].begin):
            put(text[at : function.begin])
            put(f"\nmatch crate::mutants::active({number}) {{\n", function)
            for mutant in function.mutants:
                put(f"{numbers[mutant]} => {{", mutant)
                put(mutant.apply(text, function.begin, function.finish) + "}", mutant)
                put("\n")
            put("_ => {" + text[function.begin : function.finish] + "}}\n", function)
            at = function.finish
        put(text[at:])
        owners[file] = lines
        # Inlined wherever they are called, functions with so many arms would be too much for the compiler.
        text = re.sub(r"#\[inline(\(always\))?\]", "", "".join(pieces))
        if file == "src/lib.rs":
            text = "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]\n" + text + "mod mutants;\n"
            owners[file] = [(start + 2, end + 2, owner) for start, end, owner in lines]
        write(tree / file, text)
    write(tree / "src/mutants.rs", SWITCH)
    return owners
