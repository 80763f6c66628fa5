// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing

@Suite struct `The compose file` {
    private let services: [String: YAML]
    private let dockerfile: Dockerfile

    init() throws {
        let file = try #require(try YAML.documents("docker/compose.yaml").first)
        services = file["services"].members
        dockerfile = try Dockerfile()
    }

    /// The services that are made of this repository.
    private var own: [(name: String, service: YAML, program: Program)] {
        get throws {
            try services.filter { $0.value["build"].exists }.sorted { $0.key < $1.key }.map { name, service in
                let image = service["image"].text ?? "?"
                let program = try #require(
                    Program(dockerfile, image: image, arguments: service["command"].texts), "\(name)")
                return (name, service, program)
            }
        }
    }

    /// A text as compose reads it: https://docs.docker.com/reference/compose-file/interpolation/
    private static func interpolated(_ text: String, _ shell: [String: String]) -> String {
        let parts = /\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/
        return text.replacing(parts) { match in
            let value = shell[String(match.1)] ?? ""
            guard value.isEmpty, match.2 == "-" else { return value }
            return String(match.3 ?? "")
        }
    }

    @Test func `starts the programs of the images`() throws {
        #expect(Set(try own.map(\.program)) == Set(Program.allCases))
        for (name, service, _) in try own {
            #expect(service["build", "dockerfile"].text == "docker/Dockerfile", "\(name)")
            let target = try #require(service["build", "target"].text)
            #expect(dockerfile.images[target] == service["image"].text, "\(name)")
            for needed in service["depends_on"].members.keys {
                #expect(services[needed] != nil, "\(name) waits for \(needed)")
            }
        }
    }

    @Test func `sets what the programs read, and nothing else`() throws {
        let required = ["LOCKSTEP_KEYS": Example.filled("k1:32-BYTES-IN-BASE64")]
        let more = [
            "LOCKSTEP_ADMIN_TOKEN": "t", "LOCKSTEP_PUBLIC_URL": "https://sync.example",
            "LOCKSTEP_SERVICE_URLS": "stripe=http://sandbox:8090/stripe",
            "LOCKSTEP_DATABASE_PASSWORD": "p",
        ]
        for shell in [required, required.merging(more) { $1 }] {
            for (name, service, program) in try own where program != .sandbox {
                let environment = service["environment"].strings.mapValues { Self.interpolated($0, shell) }
                let (settings, unread) = try ClusterSettings.checked(program, environment, files: [:])
                let empty = environment.filter(\.value.isEmpty).keys
                #expect(Set(unread).subtracting(empty).isEmpty, "\(name)")
                #expect(settings.publicURL != nil && settings.databaseURL != nil, "\(name)")
                #expect(
                    (settings.adminToken != nil)
                        == (program == .gateway && shell["LOCKSTEP_ADMIN_TOKEN"] != nil), "\(name)")
                // A name that is misspelt is refused also where it is empty.
                let known = Set(settings.effective.map(\.name))
                #expect(Set(empty).subtracting(known).isEmpty, "\(name)")
                #expect(program == .migrate || service["env_file"].exists, "\(name)")

                let published = service["ports"].texts.compactMap { $0.split(separator: ":").last }
                let listening = program.paths(settings).keys.sorted().map { "\($0)" }
                #expect(published.isEmpty || published.map(String.init) == listening, "\(name)")
            }
        }
    }

    @Test func `leaves the time that the programs take to end`() throws {
        for (name, service, program) in try own {
            guard program.drainLimit > .zero else { continue }
            let text = try #require(service["stop_grace_period"].text)
            let grace = try #require(Duration(settingText: text), "\(name)")
            #expect(grace >= program.drainLimit + .seconds(5), "\(name)")
        }
    }
}
