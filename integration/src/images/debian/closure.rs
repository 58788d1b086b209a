//! From programs to everything they need: the loader and all libraries, taken from the packages
//! that the programs' packages depend on.

use std::collections::{BTreeMap, BTreeSet};

use super::cache::{self, Cache};
use super::elf;
use super::files::Files;
use super::{DebianError, files};
use crate::images::entry::{Entry, Kind};

/// The entries of `programs` (paths such as `usr/sbin/nginx`) and of every library that they load,
/// out of `packages` and what these depend on.
///
/// Dependencies are fetched level by level and only while a library is missing.
pub fn collect(
    cache: &Cache,
    packages: &[&str],
    programs: &[&str],
) -> Result<Vec<Entry>, DebianError> {
    let mut files = Files::default();
    let mut seen = BTreeSet::new();
    let mut level: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
    loop {
        level.retain(|name| seen.insert(name.clone()));
        let next = fetch(cache, &level, &mut files)?;
        match resolve(&files, programs)? {
            Resolution::Complete(entries) => return Ok(entries),
            Resolution::Missing(libraries) if level.is_empty() => {
                return Err(DebianError::NoLibrary(libraries));
            }
            Resolution::Missing(_) => level = next,
        }
    }
}

/// Adds the files of `packages`; answers with the libraries that they depend on.
fn fetch(
    cache: &Cache,
    packages: &[String],
    files: &mut Files,
) -> Result<Vec<String>, DebianError> {
    let mut next = Vec::new();
    for name in packages {
        let package = cache.package(name)?;
        files.add_package(&package)?;
        next.extend(
            cache::dependencies(&package)?
                .into_iter()
                .filter(|name| has_libraries(name)),
        );
    }
    Ok(next)
}

/// By Debian's naming of packages; the others bring tools and maintainer scripts.
fn has_libraries(package: &str) -> bool {
    ["lib", "zlib", "lua-"]
        .iter()
        .any(|prefix| package.starts_with(prefix))
}

enum Resolution {
    Complete(Vec<Entry>),
    Missing(Vec<String>),
}

fn resolve(files: &Files, programs: &[&str]) -> Result<Resolution, DebianError> {
    let mut entries = BTreeMap::new();
    let mut missing = Vec::new();
    let mut open: Vec<String> = programs.iter().map(|&path| path.to_owned()).collect();
    while let Some(path) = open.pop() {
        if entries.contains_key(&path) {
            continue;
        }
        let way = files.follow(&path)?;
        let needs = match &way.last().expect("a way has an end").kind {
            Kind::File(contents) => elf::needs(contents).unwrap_or_default(),
            _ => elf::Needs::default(),
        };
        entries.extend(
            way.into_iter()
                .map(|entry| (entry.path.clone(), entry.clone())),
        );
        let loader = needs.loader.map(|loader| (files::merged(&loader), loader));
        let libraries = needs
            .libraries
            .into_iter()
            .map(|name| (library_path(files, &name), name));
        for (path, name) in loader
            .into_iter()
            .map(|(path, name)| (Some(path), name))
            .chain(libraries)
        {
            match path.filter(|path| files.get(path).is_some()) {
                Some(path) => open.push(path),
                None => missing.push(name),
            }
        }
    }
    Ok(match missing.is_empty() {
        true => Resolution::Complete(entries.into_values().collect()),
        false => Resolution::Missing(missing),
    })
}

/// Where the loader will find a library.
fn library_path(files: &Files, name: &str) -> Option<String> {
    let multiarch = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    [multiarch.as_str(), "usr/lib", "usr/lib64"]
        .map(|directory| format!("{directory}/{name}"))
        .into_iter()
        .find(|path| files.get(path).is_some())
}
