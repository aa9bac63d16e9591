//! HEP, the Homer encapsulation protocol: versions 1, 2 and 3. Bytes in, borrowed fields out; and the way back.
