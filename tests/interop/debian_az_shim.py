#!/usr/bin/python3
"""az for Debian 12, whose azure-cli 2.45 lies beside libraries of another date and crashes in `keyvault key`,
`keyvault secret`, `role`, `vm` and `network`. Called like az, it starts the az that is installed, with these put right
in its own process; nothing installed is touched. Link it as `az` into a folder on PATH, or call it by its name.

Of what az sends only versions change: Microsoft.Compute is asked as 2022-08-01 and Microsoft.Network as 2022-07-01,
the newest that Debian's libraries have. `keyvault secret set` and `show` speak through azure-keyvault-secrets, because
the library they were written for is not in Debian; the other commands of `keyvault secret` stay away."""

import importlib.abc
import importlib.machinery
import os
import runpy
import sys
import types
import urllib.parse

COMPUTE, NETWORK = "2022-08-01", "2022-07-01"


def use_versions_that_are_here(shared):
    """In azure.cli.core.profiles._shared: which version az asks of each service."""
    kinds, latest = shared.ResourceType, shared.AZURE_API_PROFILES["latest"]
    compute = latest[kinds.MGMT_COMPUTE]
    compute.profile.update({None: COMPUTE, "virtual_machine_scale_sets": COMPUTE})
    latest[kinds.MGMT_NETWORK] = NETWORK


def name_the_settings(factory):
    """In azure.cli.command_modules.role._client_factory: the newer library calls `config` `_config`."""
    make = factory._auth_client_factory

    def make_named(cli_ctx, scope=None):
        client = make(cli_ctx, scope)
        for operations in (client.role_assignments, client.role_definitions):
            type(operations).config = property(lambda self: self._config)
        return client

    factory._auth_client_factory = make_named


class Identifier:
    """The https id of a key or secret, in its parts."""

    def __init__(self, uri=None, collection=None):
        address = urllib.parse.urlsplit(uri)
        self.vault = f"{address.scheme}://{address.netloc}"
        self.collection, self.name, self.version = (address.path.strip("/") + "//").split("/")[:3]


class Anything(type):
    """A class of the library that is not there, as help texts and tables of parameters look at it."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return types.SimpleNamespace(value=name)

    def __iter__(cls):
        return iter(())


class Keeps(metaclass=Anything):
    """Attributes that a caller gives: the model of a request."""

    _attribute_map = {}

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class LibraryError(Exception):
    """An error that the library would raise; nothing raises it."""


class Authentication:
    def __init__(self, get_token):
        self.get_token = get_token


class SecretClient:
    """What az asks of the library for secrets, by the one that Debian has."""

    def __init__(self, credentials, api_version=None):
        self._get_token = credentials.get_token

    def get_token(self, *scopes, **_):
        """The credential of azure-keyvault-secrets."""
        import time

        from azure.core.credentials import AccessToken

        resource = scopes[0].removesuffix("/.default")
        return AccessToken(self._get_token(resource, resource, "")[1], int(time.time()) + 300)

    def _client(self, vault):
        from azure.keyvault.secrets import SecretClient as Client

        return Client(vault_url=vault, credential=self)

    def set_secret(self, vault_base_url, secret_name, value, tags=None, content_type=None, secret_attributes=None,
                   **kwargs):
        """Sets a secret in a specified key vault.

        :param vault_base_url: The vault's address.
        :param secret_name: The secret's name.
        :param value: The secret's value.
        :param tags: Application specific metadata.
        :param content_type: Type of the value.
        :param secret_attributes: Whether it is enabled, and when.
        """
        given = vars(secret_attributes or Keeps())
        attributes = {"enabled": given.get("enabled"), "not_before": given.get("not_before"),
                      "expires_on": given.get("expires")}
        return self._shown(self._client(vault_base_url).set_secret(
            secret_name, value, tags=tags, content_type=content_type, **attributes))

    def get_secret(self, vault_base_url, secret_name, secret_version, **kwargs):
        """Get a specified secret from a given key vault.

        :param vault_base_url: The vault's address.
        :param secret_name: The secret's name.
        :param secret_version: The secret's version.
        """
        return self._shown(self._client(vault_base_url).get_secret(secret_name, secret_version))

    def create_key(self):
        """Creates a new key, stores it, then returns key parameters and attributes to the client."""

    @staticmethod
    def _shown(secret):
        about = secret.properties
        attributes = Keeps(created=about.created_on, enabled=about.enabled, expires=about.expires_on,
                           not_before=about.not_before, recovery_level=about.recovery_level, updated=about.updated_on)
        return Keeps(attributes=attributes, content_type=about.content_type, id=secret.id, kid=about.key_id,
                     managed=about._managed, tags=about.tags, value=secret.value)


class Library(importlib.abc.Loader):
    """The modules of the library that is not in Debian."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__path__ = []
        module.KeyVaultIdentifier = Identifier
        module.KeyVaultClient = SecretClient
        module.KeyVaultErrorException = LibraryError
        module.__getattr__ = self.other

    @staticmethod
    def other(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name, (Keeps,), {})


class Finder(importlib.abc.MetaPathFinder):
    """Finds what is not there, and puts modules right as soon as they are loaded."""

    ABSENT = ("azure.keyvault.v7_0", "azure.keyvault.key_vault_id", "azure.keyvault.key_vault_client",
              "azure.keyvault.models")
    MENDED = {"azure.cli.core.profiles._shared": use_versions_that_are_here,
              "azure.cli.command_modules.role._client_factory": name_the_settings}

    def find_spec(self, name, path, target=None):
        if any(name == absent or name.startswith(absent + ".") for absent in self.ABSENT):
            return importlib.machinery.ModuleSpec(name, Library(), is_package=True)
        if name not in self.MENDED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def load_and_mend(module):
            load(module)
            self.MENDED[name](module)

        spec.loader.exec_module = load_and_mend
        return spec


def main():
    os.environ["AZ_INSTALLER"] = "DEB"  # as Debian's own does
    # az finds its packages by its installation alone, not by this file's folder.
    sys.path.pop(0)
    sys.meta_path.insert(0, Finder())
    import azure.keyvault

    azure.keyvault.KeyVaultAuthentication, azure.keyvault.KeyVaultClient = Authentication, SecretClient
    runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
