//! Guests whose memory is taken away under them.
