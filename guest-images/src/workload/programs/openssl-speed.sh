# OpenSSL's own speed checks: what it does at full tilt, in all sizes.
for what in sha256 aes-128-cbc aes-256-gcm chacha20-poly1305 ghash; do
    openssl speed -seconds 1 -evp $what || openssl speed -seconds 1 $what
done
openssl speed -seconds 1 rsa1024 ecdsap256 ed25519
