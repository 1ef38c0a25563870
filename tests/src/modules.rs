//! Debian's kernel with modules for the guest's devices.

use guest_images::{Cache, ExtraFile, Image, ImageOptions, Prepared, Stderr};

/// The image `debian`, with these modules in it.
///
/// # Panics
/// It cannot be made.
pub fn debian_with_modules(modules: &[&str]) -> Prepared {
    debian_with(modules, Vec::new())
}

/// The same, with `files` besides.
///
/// # Panics
/// It cannot be made.
pub fn debian_with(modules: &[&str], files: Vec<ExtraFile>) -> Prepared {
    let cache = Cache::from_environment().expect("there is a cache");
    let image = Image::by_name("debian").expect("it is one of the images");
    let mut extra_files = image
        .modules(&cache, &Stderr::new(), modules)
        .unwrap_or_else(|error| panic!("{error}"));
    extra_files.extend(files);
    let options = ImageOptions {
        extra_files,
        ..ImageOptions::default()
    };
    let prepared = image.prepare(&cache, &Stderr::new(), &options);
    prepared.unwrap_or_else(|error| panic!("{error}"))
}

/// What the guest's shell is told to load them, in this order.
pub fn load(modules: &[&str]) -> String {
    let each = modules.iter().map(|module| format!("insmod /modules/{module}.ko"));
    each.collect::<Vec<_>>().join(" && ")
}
