//! Root file systems: overlayfs over unpacked layers.
