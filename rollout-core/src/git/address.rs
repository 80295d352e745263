//! One address for one repository, however it is written, and without what only its owner may know.

use crate::config::env;
use crate::error::ConfigError;

/// An address that a setting says: `owner/name` is a repository on GitHub, a password is left out, and the rest stays as
/// it is.
pub(crate) fn said(address: String) -> Result<String, ConfigError> {
    if is_owner_and_name(&address) {
        return on_github(&address);
    }
    Ok(if address.contains("://") {
        normalize(&address)
    } else {
        address
    })
}

/// The address of `owner/name` on the GitHub that the environment names, or on the public one.
pub(super) fn on_github(name: &str) -> Result<String, ConfigError> {
    let server = env::variable("GITHUB_SERVER_URL")?;
    let server = server.as_deref().unwrap_or("https://github.com");
    Ok(format!("{}/{name}", server.trim_end_matches('/')))
}

fn is_owner_and_name(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    text.split_once('/')
        .is_some_and(|(owner, name)| word(owner) && word(name))
}

/// `git@host:owner/name.git`, `ssh://git@host:22/owner/name` and `https://user:token@host/owner/name.git?key=…` all
/// become `https://host/owner/name`.
pub(super) fn normalize(address: &str) -> String {
    let address = address.trim();
    let Some((scheme, rest)) = address.split_once("://") else {
        return of_scp(address).unwrap_or_else(|| bare(address).to_owned());
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = without_user(rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (scheme, host) = match scheme {
        // The port is that of another protocol.
        "ssh" | "git" | "git+ssh" => ("https", host.split(':').next().unwrap_or(host)),
        scheme => (scheme, host),
    };
    bare(&format!("{scheme}://{host}/{path}")).to_owned()
}

/// Without slashes and `.git` at the end.
fn bare(address: &str) -> &str {
    let address = address.trim_end_matches('/');
    address.strip_suffix(".git").unwrap_or(address)
}

/// `user@host:path`, the form of scp. A path of Windows has one letter before its colon.
fn of_scp(address: &str) -> Option<String> {
    let (host, path) = address.split_once(':')?;
    let is_host = host.len() > 1 && !host.contains(['/', '\\']);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    is_host.then(|| bare(&format!("https://{host}/{}", path.trim_start_matches('/'))).to_owned())
}

/// What follows the user and the password. A password may have a slash in it that nobody has escaped, and so an `@`
/// further on is the end of one rather than a part of a path behind a port.
fn without_user(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some((_, host)) = authority.rsplit_once('@') {
        let from = authority.len() - host.len();
        return &rest[from..];
    }
    if authority.contains(':') && !authority.starts_with('[') {
        return rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn one_repository_has_one_address_without_a_password() {
        let same = [
            "git@host.example:owner/name.git",
            "host.example:/owner/name",
            "ssh://git@host.example:2222/owner/name.git",
            "git://host.example/owner/name.git/",
            "https://host.example/owner/name",
            "https://user:token@host.example/owner/name.git",
            "https://user:to@ken@host.example/owner/name.git",
            "https://user:to/ken@host.example/owner/name.git",
            "https://token@host.example/owner/name?private_token=token#token",
            "  https://host.example/owner/name/\n",
        ];
        for address in same {
            assert_eq!(
                normalize(address),
                "https://host.example/owner/name",
                "{address}"
            );
        }
    }

    #[test]
    fn other_addresses_stay_as_they_are() {
        for address in [
            "https://host.example:8443/owner/name",
            "https://[::1]:8443/owner/name",
            "file:///srv/git/name",
            "/srv/git/name",
            "../name",
            r"C:\git\name",
            "C:/git/name",
            "name",
        ] {
            assert_eq!(normalize(address), address);
        }
    }
}
