/* Bytes through the stack of transports: a TLS client of OpenSSL's, WebSocket frames, PROXY
 * headers, in every nesting, cut at random, must come out as the lines that went in; and back. */
#include "base/test_random.h"
#include "services/stratum-gateway/transport/transport.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/adit-transport-XXXXXX";
static char certificate_file[64], key_file[64];

/* A certificate of its own, elliptic, for an hour. */
static void make_certificate(const char *certificate, const char *key_name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"pool", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate, "w");
    assert_non_null(file);
    PEM_write_X509(file, x509);
    fclose(file);
    file = fopen(key_name, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate_file, sizeof certificate_file, "%s/cert.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    make_certificate(certificate_file, key_file);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(certificate_file);
    unlink(key_file);
    rmdir(folder);
    return 0;
}

/* What the server's side handed out. */
struct got {
    uint8_t text[65536], wire[131072];
    size_t text_bytes, wire_bytes;
    struct network_address source;
    uint16_t port;
    bool refuse_source;
};

static bool on_text(void *context, struct span bytes)
{
    struct got *got = context;
    assert_true(got->text_bytes + bytes.length <= sizeof got->text);
    memcpy(got->text + got->text_bytes, bytes.data, bytes.length);
    got->text_bytes += bytes.length;
    return true;
}

static bool on_wire(void *context, struct span bytes)
{
    struct got *got = context;
    assert_true(got->wire_bytes + bytes.length <= sizeof got->wire);
    memcpy(got->wire + got->wire_bytes, bytes.data, bytes.length);
    got->wire_bytes += bytes.length;
    return true;
}

static bool on_source(void *context, const struct network_address *address, uint16_t port)
{
    struct got *got = context;
    got->source = *address;
    got->port = port;
    return !got->refuse_source;
}

/* Both ends of one connection. */
static struct link {
    struct transport_rules rules;
    struct transport *transport;
    struct got got;
    struct transport_sink sink;
    struct test_random random;
    enum transport_outcome outcome;
    const char *reason;
    SSL_CTX *context;
    SSL *client; /* NULL: the client speaks plainly */
    BIO *in, *out;
    uint8_t heard[131072]; /* by the client, in clear */
    size_t heard_bytes;
    bool plain;
} * l;

static void begin(unsigned takes, struct tls_context *tls, bool proxied, const char *seed)
{
    l = calloc(1, sizeof *l);
    l->random = test_random_begin(seed);
    l->rules = (struct transport_rules){ .takes = takes, .tls = tls };
    l->transport = transport_create(&l->rules, proxied);
    assert_non_null(l->transport);
    l->sink = (struct transport_sink){
        .on_text = on_text, .on_wire = on_wire, .on_source = on_source, .context = &l->got
    };
}

static void end(void)
{
    transport_destroy(l->transport);
    SSL_free(l->client);
    SSL_CTX_free(l->context);
    free(l);
}

/* The client's bytes reach the server in pieces of random length. */
static void to_server(const uint8_t *bytes, size_t length)
{
    while (length > 0 && l->outcome == TRANSPORT_GOES_ON) {
        uint8_t piece[20000];
        size_t part =
            1 + test_random_below(&l->random, length < sizeof piece ? length : sizeof piece);
        struct span rest;
        memcpy(piece, bytes, part);
        bytes += part;
        length -= part;
        if (l->plain) { /* as a connection does from then on */
            on_text(&l->got, span_of(piece, part));
            continue;
        }
        l->outcome = transport_receive(l->transport, piece, part, &l->sink, &rest, &l->reason);
        if (l->outcome != TRANSPORT_IS_PLAIN)
            continue;
        l->plain = true;
        l->outcome = TRANSPORT_GOES_ON;
        on_text(&l->got, rest);
    }
}

/* Moves bytes both ways until nothing moves. */
static void pump(void)
{
    for (bool moved = true; moved;) {
        uint8_t bytes[65536];
        int length;
        moved = false;
        if (l->client == NULL) {
            memcpy(l->heard + l->heard_bytes, l->got.wire, l->got.wire_bytes);
            l->heard_bytes += l->got.wire_bytes;
            l->got.wire_bytes = 0;
            return;
        }
        while ((length = BIO_read(l->out, bytes, sizeof bytes)) > 0) {
            to_server(bytes, (size_t)length);
            moved = true;
        }
        if (l->got.wire_bytes > 0) {
            BIO_write(l->in, l->got.wire, (int)l->got.wire_bytes);
            l->got.wire_bytes = 0;
            moved = true;
        }
        if (!SSL_is_init_finished(l->client))
            (void)SSL_do_handshake(l->client);
        while ((length = SSL_read(l->client, l->heard + l->heard_bytes,
                                  (int)(sizeof l->heard - l->heard_bytes))) > 0)
            l->heard_bytes += (size_t)length;
    }
}

static void say(const void *bytes, size_t length)
{
    if (l->client != NULL)
        assert_int_equal(SSL_write(l->client, bytes, (int)length), length);
    else
        to_server(bytes, length);
    pump();
}

static void shake_hands(int version)
{
    l->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(l->context, version);
    SSL_CTX_set_min_proto_version(l->context, version);
    l->client = SSL_new(l->context);
    l->in = BIO_new(BIO_s_mem());
    l->out = BIO_new(BIO_s_mem());
    SSL_set_bio(l->client, l->in, l->out);
    SSL_set_connect_state(l->client);
    (void)SSL_do_handshake(l->client);
    pump();
}

static const char UPGRADE[] = "GET / HTTP/1.1\r\nHost: pool\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* A masked text frame of up to 65535 bytes behind what is there. */
static size_t frame(uint8_t first, const char *text, size_t length, uint8_t *into)
{
    static const uint8_t MASK[4] = { 0x37, 0xfa, 0x21, 0x3d };
    size_t head = 2;
    into[0] = first;
    into[1] = (uint8_t)(0x80 | (length < 126 ? length : 126));
    if (length >= 126) {
        into[2] = (uint8_t)(length >> 8);
        into[3] = (uint8_t)length;
        head = 4;
    }
    memcpy(into + head, MASK, 4);
    for (size_t i = 0; i < length; i++)
        into[head + 4 + i] = (uint8_t)text[i] ^ MASK[i & 3];
    return head + 4 + length;
}

static const char PROXY[] = "PROXY TCP4 192.0.2.7 203.0.113.1 12345 3333\r\n";

/* Lines both ways through one nesting. */
static void talk(bool proxied, int tls_version, bool websocket)
{
    struct error error;
    struct tls_context *tls = tls_context_load(certificate_file, key_file, &error);
    assert_non_null(tls);
    begin(TRANSPORT_ANY, tls, proxied, "talk");
    static uint8_t bytes[70000];
    static char line[9001];
    if (proxied)
        to_server((const uint8_t *)PROXY, sizeof PROXY - 1);
    if (tls_version != 0)
        shake_hands(tls_version);
    if (websocket) {
        say(UPGRADE, sizeof UPGRADE - 1);
        assert_true(l->heard_bytes > 20);
        assert_memory_equal(l->heard, "HTTP/1.1 101 ", 13);
        l->heard_bytes = 0;
    }
    for (unsigned i = 0; i < 20; i++) {
        size_t length = test_random_below(&l->random, 4) == 0
                            ? test_random_below(&l->random, sizeof line - 1)
                            : test_random_below(&l->random, 200);
        memset(line, (int)('a' + i), sizeof line);
        line[length] = '\n';
        l->got.text_bytes = 0;
        say(websocket ? (const void *)bytes : line,
            websocket ? frame(0x81, line, length, bytes) : length + 1);
        assert_int_equal(l->outcome, TRANSPORT_GOES_ON);
        assert_int_equal(l->got.text_bytes, length + 1);
        assert_memory_equal(l->got.text, line, length + 1);
        if (l->plain)
            continue; /* the connection itself writes */
        l->heard_bytes = 0;
        assert_true(transport_send(l->transport, span_of(line, length + 1), &l->sink));
        pump();
        size_t head = !websocket ? 0 : length < 126 ? 2 : 4;
        assert_int_equal(l->heard_bytes, head + length + !websocket);
        assert_memory_equal(l->heard + head, line, length);
    }
    assert_int_equal(l->plain, tls_version == 0 && !websocket);
    if (proxied)
        assert_int_equal(l->got.port, 12345);
    end();
    tls_context_destroy(tls);
}

static void lines_pass_every_nesting_both_ways(void **state)
{
    (void)state;
    for (unsigned proxied = 0; proxied < 2; proxied++)
        for (unsigned websocket = 0; websocket < 2; websocket++) {
            talk(proxied, 0, websocket);
            talk(proxied, TLS1_2_VERSION, websocket);
            talk(proxied, TLS1_3_VERSION, websocket);
        }
}

static void tls_older_than_1_2_is_refused(void **state)
{
    (void)state;
    struct error error;
    struct tls_context *tls = tls_context_load(certificate_file, key_file, &error);
    begin(TRANSPORT_ANY, tls, false, "old");
    shake_hands(TLS1_1_VERSION);
    assert_false(SSL_is_init_finished(l->client));
    end();
    tls_context_destroy(tls);
}

static void a_port_takes_only_what_it_is_for(void **state)
{
    (void)state;
    static const struct {
        unsigned takes;
        const char *bytes;
        enum transport_outcome outcome;
    } CASES[] = {
        { TRANSPORT_ANY, "{\"id\":1}\n", TRANSPORT_GOES_ON },
        { TRANSPORT_PLAIN, UPGRADE, TRANSPORT_GOES_ON }, /* as a line, which it is not */
        { TRANSPORT_TLS, "{\"id\":1}\n", TRANSPORT_ENDS },
        { TRANSPORT_TLS, UPGRADE, TRANSPORT_ENDS },
        { TRANSPORT_WEBSOCKET, "{\"id\":1}\n", TRANSPORT_ENDS },
        { TRANSPORT_WEBSOCKET, UPGRADE, TRANSPORT_GOES_ON },
        { TRANSPORT_WEBSOCKET, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", TRANSPORT_ENDS },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin(CASES[i].takes, NULL, false, "takes");
        to_server((const uint8_t *)CASES[i].bytes, strlen(CASES[i].bytes));
        assert_int_equal(l->outcome, CASES[i].outcome);
        end();
    }
    /* Without a certificate a TLS greeting is as good as any other rubbish. */
    begin(TRANSPORT_TLS | TRANSPORT_WEBSOCKET, NULL, false, "takes");
    shake_hands(TLS1_3_VERSION);
    assert_int_equal(l->outcome, TRANSPORT_ENDS);
    end();
}

static void a_trusted_proxy_must_say_where_its_miner_is(void **state)
{
    (void)state;
    begin(TRANSPORT_ANY, NULL, true, "proxy");
    to_server((const uint8_t *)"{\"id\":1}\n", 9);
    assert_int_equal(l->outcome, TRANSPORT_ENDS);
    end();
    begin(TRANSPORT_ANY, NULL, true, "proxy");
    l->got.refuse_source = true;
    to_server((const uint8_t *)PROXY, sizeof PROXY - 1);
    assert_int_equal(l->outcome, TRANSPORT_ENDS);
    assert_int_equal(l->got.port, 12345);
    end();
}

static void pings_are_answered_and_a_close_is_closed(void **state)
{
    (void)state;
    uint8_t bytes[64];
    begin(TRANSPORT_ANY, NULL, false, "ping");
    say(UPGRADE, sizeof UPGRADE - 1);
    l->heard_bytes = 0;
    say(bytes, frame(0x89, "hello", 5, bytes));
    assert_int_equal(l->heard_bytes, 7);
    assert_memory_equal(l->heard, "\x8a\x05hello", 7);
    l->heard_bytes = 0;
    say(bytes, frame(0x88, "\x03\xe8", 2, bytes));
    assert_int_equal(l->outcome, TRANSPORT_ENDS);
    assert_int_equal(l->heard_bytes, 4);
    assert_memory_equal(l->heard, "\x88\x02\x03\xe8", 4);
    /* The goodbye was said: there is no second one, and no message behind it. */
    transport_leave(l->transport, &l->sink);
    assert_false(transport_send(l->transport, span_text("late\n"), &l->sink));
    assert_int_equal(l->got.wire_bytes, 0);
    end();
}

static void nothing_is_sent_before_the_greeting_ends(void **state)
{
    (void)state;
    struct error error;
    struct tls_context *tls = tls_context_load(certificate_file, key_file, &error);
    begin(TRANSPORT_ANY, tls, false, "early");
    assert_true(transport_is_greeting(l->transport));
    assert_false(transport_send(l->transport, span_text("early\n"), &l->sink));
    transport_leave(l->transport, &l->sink);
    assert_int_equal(l->got.wire_bytes, 0);
    shake_hands(TLS1_3_VERSION);
    assert_false(transport_is_greeting(l->transport));
    /* A context may go while connections made with it live on. */
    tls_context_destroy(tls);
    say("{}\n", 3);
    assert_int_equal(l->got.text_bytes, 3);
    end();
}

static void files_that_do_not_fit_are_named(void **state)
{
    (void)state;
    char other_certificate[64], other_key[64];
    struct error error;
    snprintf(other_certificate, sizeof other_certificate, "%s/other.pem", folder);
    snprintf(other_key, sizeof other_key, "%s/other-key.pem", folder);
    make_certificate(other_certificate, other_key);
    assert_null(tls_context_load("/nowhere/cert.pem", key_file, &error));
    assert_non_null(strstr(error.text, "/nowhere/cert.pem"));
    assert_null(tls_context_load(certificate_file, other_key, &error));
    assert_non_null(strstr(error.text, "other-key.pem"));
    unlink(other_certificate);
    unlink(other_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_pass_every_nesting_both_ways),
        cmocka_unit_test(tls_older_than_1_2_is_refused),
        cmocka_unit_test(a_port_takes_only_what_it_is_for),
        cmocka_unit_test(a_trusted_proxy_must_say_where_its_miner_is),
        cmocka_unit_test(pings_are_answered_and_a_close_is_closed),
        cmocka_unit_test(nothing_is_sent_before_the_greeting_ends),
        cmocka_unit_test(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests_name("transports", tests, make_folder, remove_folder);
}
