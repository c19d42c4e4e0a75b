//! Is a call to OpenAI's API read for what it is, and only as far as its grant reaches?
