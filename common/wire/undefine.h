/* Ends one reading of the schemas. Included again and again, so no #pragma once. */
#undef MESSAGE
#undef RECORD
#undef U8
#undef U16
#undef U32
#undef U64
#undef BYTES
#undef BLOB
#undef TEXT
#undef LIST
#undef END
