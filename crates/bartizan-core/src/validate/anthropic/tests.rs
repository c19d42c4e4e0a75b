//! Is a call to Anthropic's API read for what it is, and only as far as its grant reaches?
