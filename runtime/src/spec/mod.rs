//! The OCI spec of a container, from request, image and host facts.
