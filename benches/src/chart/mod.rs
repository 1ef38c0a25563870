//! Pictures: SVG files that stand alone, in the light or the dark colours of whoever looks at them.

mod bars;
mod ratios;

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea as _, RGBColor, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont as _, TextStyle};

use crate::error::{Error, Result};

pub use bars::{Bar, Chart, Group};
pub use ratios::Ratios;

/// Pixels of a picture from left to right.
const WIDTH: u32 = 860;

/// Pixels for the names on the left.
const NAMES: u32 = 250;

const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const LINES: RGBColor = RGBColor(0xd0, 0xd7, 0xde);
/// One colour for each contender, which stand out from either paper.
const COLOURS: [RGBColor; 3] = [
    RGBColor(0x1a, 0x7f, 0x64),
    RGBColor(0xd9, 0x73, 0x0d),
    RGBColor(0x8a, 0x63, 0xd2),
];

/// The colours above that change where the reader's are dark.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) {\
    rect[fill=\"#FFFFFF\"] { fill: #0d1117 } \
    text { fill: #e6edf3 } \
    line[stroke=\"#1F2328\"], polyline[stroke=\"#1F2328\"] { stroke: #e6edf3 } \
    line[stroke=\"#D0D7DE\"], polyline[stroke=\"#D0D7DE\"] { stroke: #3d444d } \
    }</style>";

/// Where pictures are drawn, in pixels.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a picture of the given height.
fn picture<E: Display>(height: u32, draw: impl FnOnce(&Area<'_>) -> std::result::Result<(), E>) -> Result<String> {
    let failed = |error: &dyn Display| Error::Picture(error.to_string());
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&PAPER).map_err(|error| failed(&error))?;
        draw(&area).map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    let (start, rest) = svg.split_once(">\n").ok_or_else(|| failed(&"no SVG came out"))?;
    Ok(format!("{start}>\n{DARK}\n{rest}"))
}

/// Text of a size in pixels that ends, begins or has its middle at a place, in height its middle.
fn text(size: f64, at: HPos) -> TextStyle<'static> {
    // The drawing library divides by this.
    let font = ("sans-serif", size * 1.24).into_font();
    TextStyle::from(font).color(&INK).pos(Pos::new(at, VPos::Center))
}
