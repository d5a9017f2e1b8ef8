# SPDX-License-Identifier: Apache-2.0
# docker build -t nodeway:0.1.0 .
FROM debian:12-slim AS build
WORKDIR /src
COPY cmake/packages.txt cmake/nghttp2.sh cmake/
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(awk '$1 == "build" {print $2}' cmake/packages.txt) \
    && cmake/nghttp2.sh
COPY . .
RUN cmake/build.sh release nodeway && strip build/release/router/nodeway

FROM debian:12-slim
# What the binary links; tests/cluster/test_image.py holds the two against each other.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libc-ares2 \
        libcpp-httplib0.11 \
        libfmt9 \
        libmimalloc2.0 \
        libprometheus-cpp-core1.0 \
        libspdlog1.10 \
        libssl3 \
        libstdc++6 \
        libyaml-cpp0.7 \
        zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/release/router/nodeway /usr/local/bin/nodeway
# The licence of what is linked into it.
COPY --from=build /usr/share/doc/libnghttp2-dev/copyright /usr/share/doc/nodeway/nghttp2.copyright
USER 65532:65532
EXPOSE 4140 9990
ENTRYPOINT ["/usr/local/bin/nodeway"]
CMD ["run"]
