/* Addresses: the vectors of BIP 13, 173 and 350, and properties over random scripts. */
#include "base/test_random.h"
#include "core/address/address.h"

#include <setjmp.h>
#include <cmocka.h>

static const struct coin_profile *coin(const char *name)
{
    const struct coin_profile *profile = coin_profile_find(span_text(name));
    assert_non_null(profile);
    return profile;
}

static void published_addresses_give_their_scripts_and_come_back(void **state)
{
    (void)state;
    const struct {
        const char *coin, *text, *script, *canonical; /* NULL: as typed */
    } known[] = {
        {"bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
         "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac", NULL},
        {"bitcoin", "1111111111111111111114oLvT2",
         "76a914000000000000000000000000000000000000000088ac", NULL},
        {"bitcoin", "3QJmV3qfvL9SuYo34YihAf3sRCW3qSinyC",
         "a914f815b036d9bbbce5e9f2a00abd1bf3dc91e9551087", NULL},
        {"bitcoin", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
         "0014751e76e8199196d454941c45d1b3a323f1433bd6",
         "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
        {"bitcoin-testnet", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
         "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262", NULL},
        {"bitcoin", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
         "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
         NULL},
        {"bitcoin", "BC1SW50QGDZ25J", "6002751e", "bc1sw50qgdz25j"},
        {"bitcoin", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323",
         NULL},
        {"bitcoin-signet", "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
         "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", NULL},
        {"bitcoin-testnet", "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
         "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", NULL},
        {"bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
         "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", NULL},
        /* Litecoin reads its old script addresses, Bitcoin's, and writes its own. */
        {"litecoin", "3QJmV3qfvL9SuYo34YihAf3sRCW3qSinyC",
         "a914f815b036d9bbbce5e9f2a00abd1bf3dc91e9551087", "MWWunwFdsSzsi44wARi2zJJGju6VqMMGtN"},
        /* The specification of cashaddr: translations of old addresses, and its test vectors. */
        {"bitcoin-cash", "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
         "76a91476a04053bda0a88bda5177b86a15c3b29f55987388ac",
         "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"},
        {"bitcoin-cash", "1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR",
         "76a914cb481232299cd5743151ac4b2d63ae198e7bb0a988ac",
         "bitcoincash:qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy"},
        {"bitcoin-cash", "16w1D5WRVKJuZUsSRzdLp9w3YGcgoxDXb",
         "76a914011f28e473c95f4013d7d53ec5fbc3b42df8ed1088ac",
         "bitcoincash:qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r"},
        {"bitcoin-cash", "3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC",
         "a91476a04053bda0a88bda5177b86a15c3b29f55987387",
         "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq"},
        {"bitcoin-cash", "3LDsS579y7sruadqu11beEJoTjdFiFCdX4",
         "a914cb481232299cd5743151ac4b2d63ae198e7bb0a987",
         "bitcoincash:pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e"},
        {"bitcoin-cash", "31nwvkZwyPdgzjBJZXfDmSWsC4ZLKpYyUw",
         "a914011f28e473c95f4013d7d53ec5fbc3b42df8ed1087",
         "bitcoincash:pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37"},
        {"bitcoin-cash", "BITCOINCASH:QR6M7J9NJLDWWZLG9V7V53UNLR4JKMX6EYLEP8EKG2",
         "76a914f5bf48b397dae70be82b3cca4793f8eb2b6cdac988ac",
         "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2"},
        {"bitcoin-cash", "qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2",
         "76a914f5bf48b397dae70be82b3cca4793f8eb2b6cdac988ac",
         "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2"},
        {"bitcoin-cash", "bitcoincash:zr6m7j9njldwwzlg9v7v53unlr4jkmx6eycnjehshe", /* for tokens */
         "76a914f5bf48b397dae70be82b3cca4793f8eb2b6cdac988ac",
         "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2"},
        {"bitcoin-cash-testnet", "bchtest:pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t",
         "a914f5bf48b397dae70be82b3cca4793f8eb2b6cdac987", NULL},
        {"bitcoin-cash-testnet", "bchtest:pvch8mmxy0rtfrlarg7ucrxxfzds5pamg73h7370aa87d80gyhqxq7fqng6m6",
         "aa203173ef6623c6b48ffd1a3dcc0cc6489b0a07bb47a37f47cfef4fe69de825c06087", NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct output_script script;
        char canonical[ADDRESS_TEXT_BYTES], hex[2 * OUTPUT_SCRIPT_BYTES_MAX + 1];
        char text[ADDRESS_TEXT_BYTES];
        const struct coin_profile *profile = coin(known[i].coin);
        assert_int_equal(address_parse(profile, span_text(known[i].text), &script, canonical),
                         ADDRESS_OK);
        hex_encode(output_script_span(&script), hex);
        assert_string_equal(hex, known[i].script);
        assert_string_equal(canonical,
                            known[i].canonical != NULL ? known[i].canonical : known[i].text);
        assert_true(address_format(profile, output_script_span(&script), text));
        assert_string_equal(text, canonical);
    }
}

static void every_invalid_address_is_refused_for_its_reason(void **state)
{
    (void)state;
    const struct {
        const char *coin, *text;
        enum address_outcome outcome;
    } known[] = {
        /* BIP 350 */
        {"bitcoin", "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
         ADDRESS_WRONG_NETWORK},
        {"bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
         ADDRESS_WRONG_ENCODING},
        {"bitcoin-testnet", "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
         ADDRESS_WRONG_ENCODING},
        {"bitcoin", "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
         ADDRESS_WRONG_ENCODING},
        {"bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", ADDRESS_WRONG_ENCODING},
        {"bitcoin-testnet", "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
         ADDRESS_WRONG_ENCODING},
        {"bitcoin", "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
         ADDRESS_BAD_CHARACTER},
        {"bitcoin", "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
         ADDRESS_BAD_VERSION},
        {"bitcoin", "bc1pw5dgrnzv", ADDRESS_BAD_LENGTH},
        {"bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
         ADDRESS_BAD_LENGTH},
        {"bitcoin", "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", ADDRESS_BAD_LENGTH},
        {"bitcoin-testnet", "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
         ADDRESS_MIXED_CASE},
        {"bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
         ADDRESS_BAD_PADDING},
        {"bitcoin-testnet", "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
         ADDRESS_BAD_PADDING},
        {"bitcoin", "bc1gmk9yu", ADDRESS_BAD_LENGTH},
        /* BIP 173 */
        {"bitcoin", "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty", ADDRESS_WRONG_NETWORK},
        {"bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", ADDRESS_BAD_CHECKSUM},
        {"bitcoin", "BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2", ADDRESS_BAD_VERSION},
        {"bitcoin", "bc1rw5uspcuh", ADDRESS_WRONG_ENCODING},
        {"bitcoin", "bc10w508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kw5rljs90",
         ADDRESS_WRONG_ENCODING},
        {"bitcoin-testnet", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",
         ADDRESS_MIXED_CASE},
        {"bitcoin", "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du", ADDRESS_WRONG_ENCODING},
        {"bitcoin-testnet", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3pjxtptv",
         ADDRESS_BAD_PADDING},
        /* cashaddr: of another network, of a kind nobody knows, and mixed */
        {"bitcoin-cash", "bchtest:pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t",
         ADDRESS_WRONG_NETWORK},
        {"bitcoin-cash", "pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t", ADDRESS_BAD_CHECKSUM},
        {"bitcoin-cash", "bitcoincash:0r6m7j9njldwwzlg9v7v53unlr4jkmx6eyar7qa8u4",
         ADDRESS_BAD_VERSION},
        {"bitcoin-cash", "bitcoincash:qvch8mmxy0rtfrlarg7ucrxxfzds5pamg73h7370aa87d80gyhqxq5nlegake",
         ADDRESS_BAD_LENGTH}, /* no key has a hash of 32 bytes */
        {"bitcoin-cash", "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekG2",
         ADDRESS_MIXED_CASE},
        {"bitcoin-cash", "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekb2",
         ADDRESS_BAD_CHARACTER},
        {"bitcoin-cash", "bitcoincash:", ADDRESS_BAD_LENGTH},
        {"bitcoin-cash", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ADDRESS_BAD_CHARACTER},
        {"bitcoin", "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2", ADDRESS_BAD_CHARACTER},
        /* Other networks, typing errors and rubbish. */
        {"bitcoin-regtest", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ADDRESS_WRONG_NETWORK},
        {"bitcoin", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", ADDRESS_WRONG_NETWORK},
        {"bitcoin-regtest", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", ADDRESS_WRONG_NETWORK},
        {"bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", ADDRESS_BAD_CHECKSUM},
        {"bitcoin", "11A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", ADDRESS_BAD_CHECKSUM},
        {"bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN0", ADDRESS_BAD_CHARACTER},
        {"bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa ", ADDRESS_BAD_CHARACTER},
        {"bitcoin", "3QJmnh", ADDRESS_BAD_LENGTH}, /* a valid checksum over nothing */
        {"bitcoin", "1", ADDRESS_BAD_LENGTH},
        {"bitcoin", "", ADDRESS_EMPTY},
        {"bitcoin", "bc1", ADDRESS_BAD_LENGTH},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct output_script script;
        char canonical[ADDRESS_TEXT_BYTES];
        enum address_outcome outcome =
            address_parse(coin(known[i].coin), span_text(known[i].text), &script, canonical);
        if (outcome != known[i].outcome)
            fail_msg("%s: %s", known[i].text, address_outcome_text(outcome));
    }
    char long_text[200];
    struct output_script script;
    memset(long_text, '1', sizeof long_text);
    for (size_t length = 1; length <= sizeof long_text; length++)
        assert_int_not_equal(
            address_parse(coin("bitcoin"), span_of(long_text, length), &script, NULL), ADDRESS_OK);
}

/* Any script of a kind that has an address. */
static void any_script(struct test_random *random, struct output_script *script_r)
{
    uint8_t bytes[40];
    test_random_bytes(random, bytes, sizeof bytes);
    if (test_random_below(random, 8) == 0)
        memset(bytes, 0, 10); /* leading zeros are base58's special case */
    memset(script_r, 0, sizeof *script_r);
    switch (test_random_below(random, 5)) {
    case 0:
        memcpy(script_r->data, "\x76\xa9\x14", 3);
        memcpy(script_r->data + 3, bytes, 20);
        memcpy(script_r->data + 23, "\x88\xac", 2);
        script_r->length = 25;
        return;
    case 1:
        memcpy(script_r->data, "\xa9\x14", 2);
        memcpy(script_r->data + 2, bytes, 20);
        script_r->data[22] = 0x87;
        script_r->length = 23;
        return;
    case 2:
        script_r->data[1] = test_random_below(random, 2) == 0 ? 20 : 32;
        break;
    default:
        script_r->data[0] = (uint8_t)(0x51 + test_random_below(random, 16));
        script_r->data[1] = (uint8_t)(2 + test_random_below(random, 39));
        break;
    }
    memcpy(script_r->data + 2, bytes, script_r->data[1]);
    script_r->length = (uint8_t)(script_r->data[1] + 2);
}

static void every_script_comes_back_from_its_address_on_every_coin(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("address round trip");
    size_t coins;
    const struct coin_profile *profiles = coin_profiles(&coins);
    for (int i = 0; i < 5000; i++) {
        const struct coin_profile *profile = &profiles[test_random_below(&random, coins)];
        struct output_script script, back;
        char text[ADDRESS_TEXT_BYTES], canonical[ADDRESS_TEXT_BYTES];
        any_script(&random, &script);
        if (!profile->segwit && script.length > 1 && script.data[1] == script.length - 2) {
            assert_false(address_format(profile, output_script_span(&script), text));
            continue;
        }
        assert_true(address_format(profile, output_script_span(&script), text));
        assert_int_equal(address_parse(profile, span_text(text), &back, canonical), ADDRESS_OK);
        assert_int_equal(back.length, script.length);
        assert_memory_equal(back.data, script.data, script.length);
        assert_string_equal(canonical, text);
    }
}

static void no_single_typing_error_passes(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2",
    };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        size_t length = strlen(addresses[i]);
        const struct coin_profile *profile =
            coin(addresses[i][1] == 'i' ? "bitcoin-cash" : "bitcoin");
        char text[ADDRESS_TEXT_BYTES];
        struct output_script script;
        memcpy(text, addresses[i], length);
        for (size_t at = 0; at < length; at++) {
            for (int c = 0; c < 256; c++) {
                text[at] = (char)c;
                if (text[at] != addresses[i][at])
                    assert_int_not_equal(
                        address_parse(profile, span_of(text, length), &script, NULL), ADDRESS_OK);
            }
            text[at] = addresses[i][at];
        }
        for (size_t cut = 0; cut < length; cut++)
            assert_int_not_equal(address_parse(profile, span_of(text, cut), &script, NULL),
                                 ADDRESS_OK);
    }
}

static void scripts_without_an_address_have_none(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "",
        "6a",
        "00",
        "0014751e76e8199196d454941c45d1b3a323f1433b",
        "0013751e76e8199196d454941c45d1b3a323f1433b",
        "5101ff",
        "61027777",
        "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ad",
        "a914f815b036d9bbbce5e9f2a00abd1bf3dc91e9551088",
        "6002751eff",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        uint8_t bytes[64];
        char text[ADDRESS_TEXT_BYTES];
        size_t length = strlen(scripts[i]) / 2;
        assert_true(hex_decode(scripts[i], 2 * length, bytes, length));
        assert_false(address_format(coin("bitcoin"), span_of(bytes, length), text));
    }
}

static void coin_profiles_are_found_by_name_alone(void **state)
{
    (void)state;
    size_t count;
    const struct coin_profile *profiles = coin_profiles(&count);
    assert_int_equal(count, 14);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(coin_profile_find(span_text(profiles[i].name)), &profiles[i]);
    assert_null(coin_profile_find(span_text("bitcoi")));
    assert_null(coin_profile_find(span_text("")));
    assert_int_equal(coin("devnet-blake2s")->coinbase_maturity, 3);
    assert_int_equal(coin("litecoin")->algorithm, POW_SCRYPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_addresses_give_their_scripts_and_come_back),
        cmocka_unit_test(every_invalid_address_is_refused_for_its_reason),
        cmocka_unit_test(every_script_comes_back_from_its_address_on_every_coin),
        cmocka_unit_test(no_single_typing_error_passes),
        cmocka_unit_test(scripts_without_an_address_have_none),
        cmocka_unit_test(coin_profiles_are_found_by_name_alone),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
