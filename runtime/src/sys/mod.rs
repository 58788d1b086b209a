//! The kernel: the only unsafe code.
