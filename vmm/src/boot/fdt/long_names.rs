//! Names of properties that are longer than the 31 bytes which the flattened tree's specification allows, and `vm-fdt` with it. PAPR has such ones, and
//! Linux asks for them: RTAS calls are found by their names. So they are written cut off, and made whole afterwards.
//!
//! Format: Devicetree Specification v0.4, 5 (Flattened Devicetree).

/// The longest name that `vm-fdt` writes.
const LONGEST: usize = 31;

/// Tokens of the structure block.
const BEGIN_NODE: u32 = 1;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// Fields of the header, by their offsets.
const TOTAL_BYTES: usize = 4;
const STRUCTURE: usize = 8;
const STRINGS: usize = 12;
const STRINGS_BYTES: usize = 32;

/// What is written in place of `name`, which no other name begins with.
pub(super) fn cut(name: &str) -> &str {
    name.get(..LONGEST).unwrap_or(name)
}

/// Makes the properties of `tree` that [`cut`] has shortened have their whole `names` again.
pub(super) fn make_whole<'n>(tree: &mut Vec<u8>, names: impl IntoIterator<Item = &'n str>) {
    for name in names.into_iter().filter(|name| name.len() > LONGEST) {
        lengthen(tree, name);
    }
}

fn lengthen(tree: &mut Vec<u8>, name: &str) {
    let strings = word(tree, STRINGS) as usize;
    // The strings are the last block.
    let place = (tree.len() - strings) as u32;
    let mut at = word(tree, STRUCTURE) as usize;
    loop {
        let token = word(tree, at);
        at += 4;
        match token {
            END => break,
            BEGIN_NODE => at = (at + text(tree, at).len() + 1).next_multiple_of(4),
            PROPERTY => {
                let bytes = word(tree, at) as usize;
                let named = word(tree, at + 4) as usize;
                if text(tree, strings + named) == cut(name).as_bytes() {
                    set(tree, at + 4, place);
                }
                at = (at + 8 + bytes).next_multiple_of(4);
            }
            _ => {}
        }
    }
    tree.extend(name.bytes().chain([0]));
    let total = tree.len();
    set(tree, TOTAL_BYTES, total as u32);
    set(tree, STRINGS_BYTES, (total - strings) as u32);
}

fn word(tree: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*tree[at..].first_chunk().expect("the tree is whole"))
}

fn set(tree: &mut [u8], at: usize, word: u32) {
    tree[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

/// The bytes up to the next zero.
fn text(tree: &[u8], at: usize) -> &[u8] {
    tree[at..].split(|&byte| byte == 0).next().unwrap_or_default()
}
