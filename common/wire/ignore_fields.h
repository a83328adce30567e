/* For a reading of the schemas that looks at messages alone: records and fields mean nothing. The
 * reader defines MESSAGE first. Included again and again, so no #pragma once. */
#define RECORD(name)
#define U8(field)
#define U16(field)
#define U32(field)
#define U64(field)
#define BYTES(field, length)
#define BLOB(field, max)
#define TEXT(field, max)
#define LIST(field, record, max)
#define END(name)
