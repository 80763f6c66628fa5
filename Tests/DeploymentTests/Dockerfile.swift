// SPDX-License-Identifier: Apache-2.0

/// What `docker/Dockerfile` makes, as far as those rely on it who start its images.
struct Dockerfile {
    /// The program that each image starts, by the image's name.
    let programs: [String: String]
    /// The image that each target makes.
    let images: [String: String]
    /// The user that images run as.
    let user: Int?

    init() throws {
        let text = try YAML.text("docker/Dockerfile")
        var (images, targets, user) = ([String: String](), [String: String](), Int?.none)
        for match in text.matches(of: /--target (\w+) +-t (\S+)/) {
            images[String(match.1)] = String(match.2)
        }
        var target = ""
        for line in text.split(separator: "\n") {
            if let match = line.firstMatch(of: /^FROM \S+ AS (\w+)/) { target = String(match.1) }
            if let match = line.firstMatch(of: /^ENTRYPOINT \["\/usr\/local\/bin\/([a-z-]+)"\]/) {
                targets[target] = String(match.1)
            }
            if let match = line.firstMatch(of: /^USER (\d+)$/) { user = Int(match.1) }
        }
        self.images = images
        self.user = user
        programs = targets.reduce(into: [:]) { found, entry in
            if let image = images[entry.key] { found[image] = entry.value }
        }
    }
}
