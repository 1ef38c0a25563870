//! The images that a user can name: where the command line meets `guest-images`.

use std::io::{self, Write};

use guest_images::{Cache, Image, ImageOptions, Prepared, Stderr, UnknownImage};

/// Why there is no such image to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// The name is wrong.
    #[error(transparent)]
    Unknown(#[from] UnknownImage),
    /// It could not be made.
    #[error(transparent)]
    Make(#[from] guest_images::Error),
}

/// Makes the image `name` ready, fetching what is not here yet.
pub(crate) fn prepare(name: &str) -> Result<Prepared, ImageError> {
    let image = Image::by_name(name)?;
    let cache = Cache::from_environment()?;
    Ok(image.prepare(&cache, &Stderr::new(), &ImageOptions::default())?)
}

/// Writes the images with a line each.
pub(crate) fn list(out: &mut dyn Write) -> io::Result<()> {
    let width = Image::ALL.iter().map(|image| image.name.len()).max().unwrap_or(0);
    writeln!(out, "Images for pteg run:")?;
    for image in &Image::ALL {
        writeln!(out, "  {:width$}  {}", image.name, image.description)?;
    }
    Ok(())
}
