FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /hooklog ./cmd/hooklog

FROM alpine:3.22
RUN mkdir -m 700 /data /keyset && chown 65532:65532 /data /keyset
COPY --from=build /hooklog /usr/local/bin/hooklog
USER 65532:65532
VOLUME /data
EXPOSE 8080 8081
ENTRYPOINT ["hooklog"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:8080", "--operator-listen", "0.0.0.0:8081"]
