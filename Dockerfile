# The server: one static binary and nothing else. No shell, no package, no
# account but a number.
#
#   docker build -t cpsgate .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
# The database is the slowest to compile, and changes with go.mod alone.
RUN go mod download && CGO_ENABLED=0 go build -trimpath modernc.org/sqlite
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /out/cpsgate ./cmd/cpsgate
# The data folder must be closed to other accounts.
RUN mkdir -p /out/var && mkdir -m 0700 /out/var/cpsgate

FROM scratch
COPY --from=build /out/cpsgate /cpsgate
COPY --from=build --chown=65532:65532 /out/var/ /var/lib/
USER 65532:65532
VOLUME /var/lib/cpsgate
EXPOSE 8443 8444
ENV CPSGATE_CONFIG=/etc/cpsgate/cpsgate.yaml
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s CMD ["/cpsgate", "health"]
ENTRYPOINT ["/cpsgate"]
CMD ["serve"]
