/* The examples of the document, its limits, and headers that come byte by byte. */
#include "core/proxy_header/proxy_header.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static enum proxy_header_outcome read_all(const char *bytes, size_t length,
                                          struct proxy_header *header_r)
{
    for (size_t i = 0; i < length; i++) {
        enum proxy_header_outcome outcome = proxy_header_read(span_of(bytes, i), header_r);
        if (outcome != PROXY_HEADER_MORE) {
            assert_int_equal(outcome, PROXY_HEADER_BAD);
            return outcome;
        }
    }
    return proxy_header_read(span_of(bytes, length), header_r);
}

static void expect(const char *bytes, size_t length, const char *source, unsigned port)
{
    struct proxy_header header;
    char text[NETWORK_ADDRESS_TEXT];
    assert_int_equal(read_all(bytes, length, &header), PROXY_HEADER_READ);
    assert_int_equal(header.length, length);
    assert_int_equal(header.has_source, source != NULL);
    if (source == NULL)
        return;
    network_address_print(&header.source, text);
    assert_string_equal(text, source);
    assert_int_equal(header.source_port, port);
}

#define EXPECT(text, source, port) expect(text, sizeof(text) - 1, source, port)

static void the_documents_text_headers_are_read(void **state)
{
    (void)state;
    EXPECT("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1", 56324);
    EXPECT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535);
    EXPECT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    EXPECT("PROXY UNKNOWN\r\n", NULL, 0);
    EXPECT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NULL, 0);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void binary_headers_are_read_and_what_stands_behind_the_addresses_is_skipped(void **state)
{
    (void)state;
    EXPECT(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x07\xcb\0\x71\x01\x30\x39\x0d\x05", "192.0.2.7",
           12345);
    EXPECT(SIGNATURE "\x21\x11\0\x10\xc0\0\x02\x07\xcb\0\x71\x01\x30\x39\x0d\x05\x04\0\x01\0",
           "192.0.2.7", 12345);
    EXPECT(SIGNATURE "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x0d\x05",
           "2001:db8::1", 12345);
    EXPECT(SIGNATURE "\x20\0\0\0", NULL, 0);             /* LOCAL: a health check of the proxy */
    EXPECT(SIGNATURE "\x21\x12\0\x02\xff\xff", NULL, 0); /* datagrams: accepted, not believed */
}

static void what_is_no_header_is_refused(void **state)
{
    (void)state;
#define BAD(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    static const struct {
        const char *bytes;
        size_t length;
    } CASES[] = {
        BAD("{\"id\":1}\n"),
        BAD("PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n"),
        BAD("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n"),
        BAD("PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n"),
        BAD("PROXY TCP4 192.168.0.1 192.168.0.11 056324 443\r\n"),
        BAD("PROXY TCP4 192.168.0.1 192.168.0.11 66324 443\r\n"),
        BAD("PROXY TCP4 192.168.0.256 192.168.0.11 56324 443\r\n"),
        BAD("PROXY TCP4 2001:db8::1 192.168.0.11 56324 443\r\n"),
        BAD("PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n"),
        BAD("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n"),
        BAD("PROXY UNKNOWNS\r\n"),
        BAD("PROXY \r\n"),
        BAD(SIGNATURE "\x31\x11\0\x0c"),   /* another version */
        BAD(SIGNATURE "\x22\x11\0\x0c"),   /* another command */
        BAD(SIGNATURE "\x21\x11\0\x0b"),   /* too short for its addresses */
        BAD(SIGNATURE "\x21\x11\xff\xff"), /* longer than anybody needs */
        BAD("\r\n\r\n\1"),
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct proxy_header header;
        assert_int_equal(read_all(CASES[i].bytes, CASES[i].length, &header), PROXY_HEADER_BAD);
    }
    /* Without an end it is not waited for without end. */
    struct proxy_header header;
    char endless[PROXY_HEADER_TEXT_MAX + 1];
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "PROXY ", 6);
    assert_int_equal(proxy_header_read(span_of(endless, PROXY_HEADER_TEXT_MAX), &header),
                     PROXY_HEADER_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_text_headers_are_read),
        cmocka_unit_test(binary_headers_are_read_and_what_stands_behind_the_addresses_is_skipped),
        cmocka_unit_test(what_is_no_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
