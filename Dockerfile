# Starling on Debian's Node image. Build: docker build -t starling .
FROM node:20-bookworm-slim AS build
WORKDIR /opt/starling
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY src ./src
COPY migrations ./migrations
RUN npm ci && npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
WORKDIR /opt/starling
ENV NODE_ENV=production
COPY --from=build /opt/starling/node_modules ./node_modules
COPY --from=build /opt/starling/dist ./dist
COPY package.json ./
COPY bin ./bin
COPY migrations ./migrations
# A named volume takes the owner of the folder that it covers: without the folder it would be root's.
RUN install -d -o node -g node /var/lib/starling /var/lib/starling/certs /etc/starling
USER node
WORKDIR /var/lib/starling
# Clients 5222, direct TLS 5223, HTTP 5280 (WebSocket and BOSH), HTTPS 5281, cluster 5777; admin 8080 stays inside.
EXPOSE 5222 5223 5280 5281 5777
ENTRYPOINT ["/opt/starling/bin/starling"]
CMD ["run", "--property-file=/etc/starling/init.properties"]
