# One image for the worker and the gateway; docker-compose.yml chooses which of the two runs. The packages are those of
# requirements/app.txt, by their hashes. Built by docker compose; not in our CI, where there is no Docker engine.
FROM python:3.11-slim-bookworm

# pytest proves locks and writes no caches here; logs come out as they are written.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# ssh-keygen verifies decisions that a captain signed with an SSH key.
RUN apt-get update && apt-get install -y --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 firestation \
 && install -d -o firestation -g firestation /var/lib/firestation /var/lib/firestation-public

WORKDIR /srv/firestation
COPY requirements/app.txt requirements/app.txt
RUN pip install --require-hashes -r requirements/app.txt

COPY pyproject.toml README.md LICENSE ./
COPY firestation firestation
COPY activities activities
COPY workflows workflows
COPY worker worker
COPY gateway gateway
COPY cli cli
COPY runbooks runbooks
RUN pip install --no-deps --no-build-isolation -e .

USER firestation
VOLUME /var/lib/firestation /var/lib/firestation-public
CMD ["python", "-m", "worker", "--help"]
