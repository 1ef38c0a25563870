# Ciphers and sums: known answers of the standards, and the same with and without vector instructions.
answer() {
    got=$(cat)
    [ "$got" = "$1" ] || { echo "got $got, not $1"; exit 1; }
}
hex() { xxd -p | tr -d '\n'; }

# FIPS 180-4
printf abc | openssl dgst -sha256 -r | cut -d' ' -f1 | answer ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
printf abc | openssl dgst -sha512 -r | cut -c1-32 | answer ddaf35a193617abacc417349ae204131
# RFC 1321, RFC 3174
printf abc | openssl dgst -md5 -r | cut -d' ' -f1 | answer 900150983cd24fb0d6963f7d28e17f72
printf abc | openssl dgst -sha1 -r | cut -d' ' -f1 | answer a9993e364706816aba3e25717850c26c9cd0d89d
# FIPS 197, appendix C
plain=00112233445566778899aabbccddeeff
printf $plain | xxd -r -p | openssl enc -aes-128-ecb -nopad -K 000102030405060708090a0b0c0d0e0f | hex |
    answer 69c4e0d86a7b0430d8cdb78070b4c55a
printf $plain | xxd -r -p | openssl enc -aes-256-ecb -nopad \
    -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f | hex | answer 8ea2b7ca516745bfeafc49904b496089

# A capability vector of zero turns off what is written for POWER's vectors.
dd if=/dev/urandom of=data bs=64k count=16 2> /dev/null
key=603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4
iv=000102030405060708090a0b0c0d0e0f
both() {
    "$@" < data > vector
    OPENSSL_ppccap=0 "$@" < data > scalar
    [ -s vector ]
    cmp vector scalar || { echo "$* is not the same with vectors and without"; exit 1; }
}
for sum in sha1 sha256 sha512 sha3-256; do both openssl dgst -$sum; done
for cipher in aes-128-cbc aes-128-ctr chacha20; do
    both openssl enc -$cipher -K ${key%????????????????????????????????} -iv $iv
done
both openssl enc -aes-256-cbc -K $key -iv $iv
both openssl mac -in - -cipher AES-256-GCM -macopt hexkey:$key -macopt hexiv:${iv%????????} GMAC
both openssl mac -in - -macopt hexkey:$key Poly1305
openssl enc -aes-256-ctr -K $key -iv $iv < data | openssl enc -d -aes-256-ctr -K $key -iv $iv | cmp - data

# Signatures.
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
openssl ec -in ec.pem -pubout -out ec.pub
openssl dgst -sha256 -sign ec.pem -out ec.sig data
openssl dgst -sha256 -verify ec.pub -signature ec.sig data
openssl genrsa -out rsa.pem 1024
openssl rsa -in rsa.pem -pubout -out rsa.pub
openssl dgst -sha256 -sign rsa.pem -out rsa.sig data
openssl dgst -sha256 -verify rsa.pub -signature rsa.sig data
printf x >> data
! openssl dgst -sha256 -verify rsa.pub -signature rsa.sig data
