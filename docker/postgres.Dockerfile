# PostgreSQL 15 from Debian's packages, for machines that reach no image registry. It takes the variables of the official
# image that compose.postgres.yml sets: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ARG DEBIAN_MIRROR=
ARG DEBIAN_SECURITY_MIRROR=

RUN set -eu; . /etc/os-release; \
    if [ -n "$DEBIAN_MIRROR" ]; then \
      rm -f /etc/apt/sources.list.d/debian.sources; \
      printf 'deb %s %s main\n' "$DEBIAN_MIRROR" "$VERSION_CODENAME" > /etc/apt/sources.list; \
    fi; \
    if [ -n "$DEBIAN_MIRROR" ] && [ -n "$DEBIAN_SECURITY_MIRROR" ]; then \
      printf 'deb %s %s-security main\n' "$DEBIAN_SECURITY_MIRROR" "$VERSION_CODENAME" >> /etc/apt/sources.list; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    mkdir -p /etc/postgresql-common/createcluster.d; \
    printf 'create_main_cluster = false\n' > /etc/postgresql-common/createcluster.d/none.conf; \
    apt-get update -qq; \
    apt-get install -y -qq --no-install-recommends postgresql-15; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*; \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data; \
    install -d -o postgres -g postgres -m 0755 /run/postgresql

ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres-start /usr/local/bin/postgres-start
USER postgres
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
CMD ["sh", "/usr/local/bin/postgres-start"]
