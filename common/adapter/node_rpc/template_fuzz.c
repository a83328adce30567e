/* Any answer of a node, whole and in pieces: ours and jansson's reading agree, and nothing is read
 * or written out of bounds. */
#include "adapter/node_rpc/testing/template_jansson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

#define HEAD                                                                                       \
    "{\"result\":{\"version\":536870912,\"rules\":[\"csv\",\"!segwit\"],\"previousblockhash\":"    \
    "\"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206\",\"transactions\":["
#define TAIL                                                                                       \
    "],\"coinbaseaux\":{},\"coinbasevalue\":5000000000,\"longpollid\":\"0f91\",\"target\":"        \
    "\"7fffff000000"                                                                               \
    "0000000000000000000000000000000000000000000000000000\",\"mintime\":1296688603,\"mutable\":["  \
    "\"time\"],\"noncerange\":\"00000000ffffffff\",\"curtime\":1700000000,\"bits\":\"207fffff\","  \
    "\"height\":1},\"error\":null,\"id\":1}"

const char *const fuzz_seeds[] = {
    HEAD TAIL,
    /* The first payment of all (block 170 of the main chain), as it was before witnesses. */
    HEAD
    "{\"data\":\"0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000"
    "004847304402204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522"
    "ec8eca07de4860a4acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b0000000043"
    "4104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f"
    "142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49"
    "840f8c53bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c0"
    "3f999b8643f656b412a3ac00000000\",\"txid\":\"f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91"
    "338530e9831e9e16\",\"hash\":\"f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e"
    "16\",\"depends\":[],\"fee\":0,\"sigops\":2,\"weight\":1100}" TAIL,
    "{\"result\":null,\"error\":{\"code\":-10,\"message\":\"is downloading blocks\"},\"id\":1}",
    "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{\"height\":1e3,\"x\":[{\"y\":-1.5E+2},[true,false]]}"
    "}",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct block_template template;
    struct error error;
    uint64_t cuts = 1;
    for (size_t i = 0; i < length && i < 64; i++)
        cuts = cuts * 31 + data[length - 1 - i];
    const struct coin_profile *coin =
        coin_profile_find(span_text(length % 2 == 0 ? "bitcoin-regtest" : "litecoin-regtest"));
    (void)!template_read_both((const char *)data, length, coin, cuts, &template, &error);
    return 0;
}
