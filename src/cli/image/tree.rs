// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image tree`, the layers of one image; and `images --tree`, images with their platforms.

use std::fmt::Write as _;

use crate::cli::{CommandResult, Context, Subcommand};
use crate::engine::image::{ImageEntry, ImageListRequest, Layer};
use crate::oci::{Digest, Platform};
use crate::output::table::push_visible;
use crate::output::units::size::human_size;

/// Flags of `image tree`.
#[derive(Debug, clap::Args)]
pub(crate) struct Tree {
    /// Show all images that are made from the layers of this one
    #[arg(long)]
    whatrequires: bool,
    /// Name or id of an image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

impl Subcommand for Tree {
    const PATHS: &'static [&'static str] = &["image tree"];
    const ABOUT: &'static str = "Print the layers of an image as a tree";
    const EXAMPLES: &'static [&'static str] = &["image tree web", "image tree --whatrequires web"];

    fn run(self, context: &Context) -> CommandResult {
        let detail = context.engine.inspect_image(&self.image)?;
        let entries = context.engine.list_images(&ImageListRequest::default())?;
        let layers = &detail.image.layers;
        let mut text = format!(
            "Image ID: {}\nTags:     [{}]\nSize:     {}\n",
            detail.image.id.short(),
            detail.names.join(" "),
            human_size(detail.image.size_bytes, 4)
        );
        text.push_str(if layers.is_empty() {
            "No Image Layers\n"
        } else {
            "Image Layers\n"
        });
        let nodes = match layers.last() {
            Some(top) if self.whatrequires => above(top, &entries),
            _ => layers.iter().rev().map(|l| leaf(l, &entries)).collect(),
        };
        draw(&nodes, "", &mut text);
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}

/// A line with what hangs on it.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    text: String,
    children: Vec<Node>,
}

fn leaf(layer: &Layer, entries: &[ImageEntry]) -> Node {
    let is_top = |entry: &&ImageEntry| top_of(entry) == Some(&layer.chain_id);
    let tops = entries.iter().filter(is_top);
    let names: Vec<&str> = tops
        .flat_map(|entry| &entry.listed.names)
        .map(String::as_str)
        .collect();
    let mut text = format!(
        "ID: {} Size: {:>7}",
        layer.chain_id.short(),
        human_size(layer.record.content.size_bytes, 4)
    );
    if !names.is_empty() {
        write!(text, " Top Layer of: [{}]", names.join(" ")).expect("a string takes any text");
    }
    Node {
        text,
        children: Vec::new(),
    }
}

fn top_of(entry: &ImageEntry) -> Option<&Digest> {
    entry
        .listed
        .image
        .layers
        .last()
        .map(|layer| &layer.chain_id)
}

/// A layer and all that images have put on it. What has one layer on it stands beside it, not
/// below it, as podman draws it.
fn above(layer: &Layer, entries: &[ImageEntry]) -> Vec<Node> {
    let mut on_it: Vec<&Layer> = Vec::new();
    for entry in entries {
        let pairs = entry.listed.image.layers.windows(2);
        let upper = pairs.filter(|pair| pair[0].chain_id == layer.chain_id);
        for pair in upper {
            if on_it.iter().all(|known| known.chain_id != pair[1].chain_id) {
                on_it.push(&pair[1]);
            }
        }
    }
    let several = on_it.len() > 1;
    let mut own = leaf(layer, entries);
    let rest: Vec<Node> = on_it
        .iter()
        .flat_map(|upper| above(upper, entries))
        .collect();
    if several {
        own.children = rest;
        return vec![own];
    }
    std::iter::once(own).chain(rest).collect()
}

fn draw(nodes: &[Node], indent: &str, text: &mut String) {
    for (at, node) in nodes.iter().enumerate() {
        let (branch, below) = if at + 1 == nodes.len() {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        text.push_str(indent);
        text.push_str(branch);
        push_visible(&node.text, text);
        text.push('\n');
        draw(&node.children, &format!("{indent}{below}"), text);
    }
}

/// One row of `images --tree`.
struct Row {
    name: String,
    id: String,
    size_bytes: u64,
    content_bytes: u64,
    in_use: bool,
}

/// The table of `images --tree`: each image with the platforms that it is for.
pub(super) fn platforms(
    context: &Context,
    entries: &[ImageEntry],
) -> Result<String, crate::cli::Failure> {
    let mut rows = Vec::new();
    for entry in entries {
        rows.push(row_of(entry, name_of(entry)));
        let instances = context.engine.list_instances(&entry.listed.image)?;
        let Some(instances) = instances else {
            let config = &entry.listed.image.config;
            let platform = platform_words(&Platform {
                os: config.os.clone(),
                architecture: config.architecture.clone(),
                variant: config.variant.clone(),
            });
            rows.push(row_of(entry, format!("└─ {platform}")));
            continue;
        };
        let last = instances.len().saturating_sub(1);
        for (at, instance) in instances.into_iter().enumerate() {
            let branch = if at == last { "└─" } else { "├─" };
            let name = format!("{branch} {}", platform_words(&instance.platform));
            let image = instance.image.as_ref();
            let known = entries.iter().find(|e| Some(&e.listed.image.id) == image);
            rows.push(match known {
                Some(known) => row_of(known, name),
                None => Row {
                    name,
                    id: instance.digest.short().to_owned(),
                    size_bytes: 0,
                    content_bytes: 0,
                    in_use: false,
                },
            });
        }
    }
    Ok(table(&rows))
}

fn platform_words(platform: &Platform) -> String {
    platform.to_string()
}

fn name_of(entry: &ImageEntry) -> String {
    match entry.listed.names.as_slice() {
        [] => "<untagged>".to_owned(),
        names => names.join(", "),
    }
}

fn row_of(entry: &ImageEntry, name: String) -> Row {
    let image = &entry.listed.image;
    Row {
        name,
        id: image.id.short().to_owned(),
        size_bytes: image.size_bytes,
        content_bytes: image.layers.iter().map(|l| l.record.blob_bytes).sum(),
        in_use: entry.containers > 0,
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count());
    let width = width.max().unwrap_or_default().max(5);
    let mut text = format!(
        "{:width$}   {:12}   {:>10}   {:>12}   EXTRA\n",
        "IMAGE", "ID", "DISK USAGE", "CONTENT SIZE"
    );
    for row in rows {
        let mut name = String::new();
        push_visible(&row.name, &mut name);
        let line = format!(
            "{name:width$}   {:12}   {:>10}   {:>12}   {}",
            row.id,
            human_size(row.size_bytes, 3),
            human_size(row.content_bytes, 3),
            if row.in_use { "U" } else { "" },
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_drawn() {
        let node = |text: &str, children| Node {
            text: text.to_owned(),
            children,
        };
        let nodes = [
            node(
                "a",
                vec![node("b", vec![node("c", vec![])]), node("d", vec![])],
            ),
            node("e\u{1b}", vec![]),
        ];
        let mut text = String::new();
        draw(&nodes, "", &mut text);
        assert_eq!(
            text,
            "├── a\n│   ├── b\n│   │   └── c\n│   └── d\n└── e\\u{1b}\n"
        );
    }
}
