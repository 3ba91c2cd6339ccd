# The image is the program, the roots of TLS and a name for its user: scripts/build makes it,
# and a test starts the same files in a chroot. It needs no shell and writes nothing but /data,
# and there only where no bucket and no PostgreSQL are set:
#
#   docker build -t lenzeye --build-arg COMMIT=$(git rev-parse HEAD) .
#   docker run --read-only --cap-drop=ALL --env-file render.env -p 8080:8080 lenzeye
#   docker run --read-only --cap-drop=ALL lenzeye app migrate up
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=
RUN VERSION="$VERSION" COMMIT="$COMMIT" ./scripts/build --root /image

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
ENV APP_DATA_DIR=/data
CMD ["app", "serve"]
