# The three images, one target each: a static binary and the roots of trust, nothing else.
#
#   docker build --target operator --tag anomaly-operator/operator:TAG .
#
# Works with BuildKit and with the builder before it. Without a registry, hack/images.sh compiles on the host and makes the same
# three images of the stages below; it recognises what to leave out by the names `build` and /out/.

ARG RUST_VERSION=1.95.0
FROM rust:${RUST_VERSION}-bookworm AS build
ARG RUST_VERSION
# (rather than what rust-toolchain.toml says, which adds components that only developers need)
ENV RUSTUP_TOOLCHAIN=${RUST_VERSION} RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /src
COPY . .
# (without an explicit --target the flag would also apply to proc macros, which cannot be static)
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && cargo build --locked --profile static --target "$target" -p operator -p server -p trainer \
 && mkdir /out \
 && cp "target/$target/static/anomaly-operator" "target/$target/static/anomaly-server" "target/$target/static/anomaly-trainer" /out/ \
 && cp -L /etc/ssl/certs/ca-certificates.crt /out/

FROM scratch AS operator
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/anomaly-operator /
USER 65532:65532
ENTRYPOINT ["/anomaly-operator"]

FROM scratch AS server
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/anomaly-server /
USER 65532:65532
ENTRYPOINT ["/anomaly-server"]

FROM scratch AS trainer
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/anomaly-trainer /
USER 65532:65532
ENTRYPOINT ["/anomaly-trainer"]
