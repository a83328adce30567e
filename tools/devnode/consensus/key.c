#include "tools/devnode/consensus/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

static EC_GROUP *group_create(void)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
    ASSERT(group != NULL);
    return group;
}

bool key_public(const uint8_t private_key[32], uint8_t public_r[33])
{
    EC_GROUP *group = group_create();
    BIGNUM *scalar = BN_bin2bn(private_key, 32, NULL);
    ASSERT(scalar != NULL);
    bool valid = !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0;
    if (valid) {
        EC_POINT *point = EC_POINT_new(group);
        int ok = point != NULL && EC_POINT_mul(group, point, scalar, NULL, NULL, NULL);
        ASSERT(ok == 1);
        size_t length =
            EC_POINT_point2oct(group, point, POINT_CONVERSION_COMPRESSED, public_r, 33, NULL);
        ASSERT(length == 33);
        EC_POINT_free(point);
    }
    BN_clear_free(scalar);
    EC_GROUP_free(group);
    return valid;
}

/* NULL where the public key is no point of the curve. Caller owns. */
static EVP_PKEY *pkey_create(const uint8_t *private_key, struct span public_key)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *scalar = private_key == NULL ? NULL : BN_bin2bn(private_key, 32, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    ASSERT(builder != NULL);
    int ok = OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "secp256k1", 0) &&
             OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_key.data,
                                              public_key.length);
    if (scalar != NULL)
        ok = ok && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    ASSERT(ok == 1 && params != NULL && context != NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, scalar == NULL ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                          params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(scalar);
    return pkey;
}

/* True where s is at most half the group order. */
static bool s_is_low(const BIGNUM *s)
{
    EC_GROUP *group = group_create();
    BIGNUM *half = BN_dup(EC_GROUP_get0_order(group));
    int ok = half != NULL && BN_rshift1(half, half);
    ASSERT(ok == 1);
    bool low = BN_cmp(s, half) <= 0;
    BN_free(half);
    EC_GROUP_free(group);
    return low;
}

/* Replaces a high S by order - S, which signs the same. */
static void normalise(ECDSA_SIG *signature)
{
    const BIGNUM *r;
    const BIGNUM *s;
    ECDSA_SIG_get0(signature, &r, &s);
    if (s_is_low(s))
        return;
    EC_GROUP *group = group_create();
    BIGNUM *low = BN_new();
    BIGNUM *same_r = BN_dup(r);
    int ok = low != NULL && same_r != NULL && BN_sub(low, EC_GROUP_get0_order(group), s) &&
             ECDSA_SIG_set0(signature, same_r, low);
    ASSERT(ok == 1);
    EC_GROUP_free(group);
}

size_t key_sign(const uint8_t private_key[32], const uint8_t digest[32],
                uint8_t signature_r[SIGNATURE_BYTES_MAX])
{
    uint8_t public_key[33];
    bool valid = key_public(private_key, public_key);
    ASSERT(valid);
    EVP_PKEY *pkey = pkey_create(private_key, span_of(public_key, sizeof public_key));
    ASSERT(pkey != NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    uint8_t der[80];
    size_t der_bytes = sizeof der;
    int ok = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
             EVP_PKEY_sign(context, der, &der_bytes, digest, 32) == 1;
    ASSERT(ok == 1);
    const uint8_t *from = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &from, (long)der_bytes);
    ASSERT(signature != NULL);
    normalise(signature);
    uint8_t *to = signature_r;
    int length = i2d_ECDSA_SIG(signature, NULL);
    ASSERT(length > 0 && length <= SIGNATURE_BYTES_MAX);
    length = i2d_ECDSA_SIG(signature, &to);
    ECDSA_SIG_free(signature);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    return (size_t)length;
}

/* BIP66: the signature must be exactly what encoding it again gives. */
static bool der_is_strict(struct span der)
{
    const uint8_t *from = der.data;
    uint8_t again[SIGNATURE_BYTES_MAX + 8];
    uint8_t *to = again;
    if (der.length > SIGNATURE_BYTES_MAX)
        return false;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &from, (long)der.length);
    if (signature == NULL)
        return false;
    const BIGNUM *r;
    const BIGNUM *s;
    ECDSA_SIG_get0(signature, &r, &s);
    int length = i2d_ECDSA_SIG(signature, NULL);
    bool strict = from == der.data + der.length && length == (int)der.length &&
                  !BN_is_negative(r) && !BN_is_negative(s) && s_is_low(s);
    if (strict) {
        length = i2d_ECDSA_SIG(signature, &to);
        strict = span_equal(der, span_of(again, (size_t)length));
    }
    ECDSA_SIG_free(signature);
    return strict;
}

bool key_verify(struct span public_key, const uint8_t digest[32], struct span signature)
{
    bool shaped =
        (public_key.length == 33 && (public_key.data[0] == 2 || public_key.data[0] == 3)) ||
        (public_key.length == 65 && public_key.data[0] == 4);
    if (!shaped || !der_is_strict(signature))
        return false;
    EVP_PKEY *pkey = pkey_create(NULL, public_key);
    if (pkey == NULL)
        return false;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    ASSERT(context != NULL);
    bool good = EVP_PKEY_verify_init(context) == 1 &&
                EVP_PKEY_verify(context, signature.data, signature.length, digest, 32) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    return good;
}
